"""Files in object storage, read where they are; a library that lies there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import lorarium
from lorarium import formats
from lorarium.algebra import fingerprint
from lorarium.errors import LorariumError
from lorarium.formats.inspection.inspect import inspect_file, inspect_files
from lorarium.library import Library, lease
from lorarium.remote import as_place, open_remote
from tests.library.zoo import ink, write
from tests.remote.bucket import ENVIRONMENT, delete, moto, put

pytest.importorskip("s3fs")
pytest.importorskip("moto")


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    with moto() as url:
        yield url


@pytest.fixture(autouse=True)
def known(store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": store}.items():
        monkeypatch.setenv(name, value)
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    yield
    s3fs.S3FileSystem.clear_instance_cache()


def test_parts_of_an_object(store: str) -> None:
    content = bytes(range(256)) * 1000
    put(store, "bucket/x.bin", content)
    file = open_remote(as_place("s3://bucket/x.bin"))
    assert file.size == len(content) and file.version
    assert file.read(1000, 500) == content[1000:1500] and file.bytes_read == 500
    assert b"".join(file.chunks(0, file.size)) == content
    put(store, "bucket/x.bin", content[::-1])
    with pytest.raises(LorariumError, match="changed while it was read"):
        file.read(0, 10)
    delete(store, "bucket/x.bin")
    with pytest.raises(LorariumError, match="there is no such file"):
        open_remote(as_place("s3://bucket/x.bin"))


def test_inspecting_and_indexing(store: str, tmp_path: Path) -> None:
    write(tmp_path, {name: ink(i) for i, name in enumerate("ab")})
    for name in "ab":
        content = (tmp_path / f"{name}.safetensors").read_bytes()
        put(store, f"bucket/loras/{name}.safetensors", content)
    put(store, "bucket/loras/note.txt", b"x")
    inspections = list(inspect_files(["s3://bucket/loras"]))
    assert [one.path[-13:] for one in inspections] == ["a.safetensors", "b.safetensors"]
    assert all(one.ok and one.read and one.ranks for one in inspections)
    here = formats.read(tmp_path / "a.safetensors")
    assert fingerprint(formats.read("s3://bucket/loras/a.safetensors")) == fingerprint(here)
    library = Library(tmp_path / "library")
    assert library.index(["s3://bucket/loras"], workers=0).new == 2
    put(store, "bucket/loras/b.safetensors", (tmp_path / "a.safetensors").read_bytes())
    report = library.index(["s3://bucket/loras"], workers=0)
    assert (report.changed, report.unchanged) == (1, 1)


@pytest.mark.parametrize(
    "address, words",
    [
        ("s3://bucket/none.safetensors", "there is no such file"),
        ("s3://nobody/none.safetensors", "there is no such"),
        ("s3://bucket/empty/folder", "there is no tensor file here"),
    ],
)
def test_what_is_not_there(store: str, address: str, words: str) -> None:
    put(store, "bucket/other/x.bin", b"x")
    [inspection] = inspect_files([address])
    assert words in inspection.error and "\n" not in inspection.error


# a library that lies there


def test_a_library_in_a_bucket(store: str, tmp_path: Path) -> None:
    write(tmp_path / "loras", {name: ink(i) for i, name in enumerate("abc")})
    with pytest.raises(LorariumError, match="there is no such bucket"):
        Library("s3://nobody/library").index([tmp_path / "loras"], workers=0)
    put(store, "shelf/x", b"x")
    made = Library("s3://shelf/library")
    with pytest.raises(LorariumError, match="there is no library here"):
        len(made)
    assert made.index([tmp_path / "loras"], workers=0).new == 3
    assert made.index([tmp_path / "loras"], workers=0).unchanged == 3
    (tmp_path / "loras" / "b.safetensors").unlink()
    made.index([tmp_path / "loras"], workers=0)
    other = Library("s3://shelf/library")
    assert sorted(Path(p).stem for p in other.to_arrow()["path"].to_pylist()) == ["a", "c"]
    answer = other.search(tmp_path / "loras" / "a.safetensors", k=1)
    assert Path(answer.matches[0].paths[0]).stem == "c"
    with pytest.raises(LorariumError, match="only a library on this machine moves files"):
        other.tidy(other.tidy_plan())
    put(store, "shelf/other/note.txt", b"x")
    with pytest.raises(LorariumError, match="other things"):
        Library("s3://shelf/other").index([tmp_path / "loras"], workers=0)


def test_one_process_writes_at_a_time(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    home = as_place("s3://shelf/held")
    put(store, "shelf/x", b"x")
    monkeypatch.setattr(lease, "SECONDS", 4.0)
    folder = lease.BucketFolder(home)  # type: ignore[arg-type]
    with lease.hold_lease(folder, "lock"):
        time.sleep(6)  # longer than a lease that nobody renews
        with pytest.raises(LorariumError, match=rf"process {os.getpid()} on .* is writing"):
            with lease.hold_lease(folder, "lock"):
                pass
    assert folder.read("lock") is None
    folder.write("lock", b"process 1 on another machine")  # which was killed
    with pytest.raises(LorariumError, match="process 1 on another machine is writing"):
        with lease.hold_lease(folder, "lock"):
            pass
    time.sleep(5)
    with lease.hold_lease(folder, "lock"):
        assert (folder.read("lock") or b"").startswith(f"process {os.getpid()}".encode())


PROGRAM = """
import sys
from lorarium.library import Library, indexing, lease
lease.SECONDS, indexing.BATCH = 2.0, 2
Library("s3://shelf/killed").index([sys.argv[1]], workers=0)
"""


def test_killed_while_it_writes(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time whole and readable, and what was there stays there."""
    put(store, "shelf/x", b"x")
    write(tmp_path / "loras", {f"{i}": ink(i) for i in range(12)})
    monkeypatch.setattr(lease, "SECONDS", 2.0)
    environment = {
        **os.environ, **ENVIRONMENT, "AWS_ENDPOINT_URL": store,
        "PYTHONPATH": str(Path(lorarium.__file__).parent.parent),
    }  # fmt: skip
    loras, rows, killed = tmp_path / "loras", 0, 0
    for rounds in range(3):
        child = subprocess.Popen([sys.executable, "-c", PROGRAM, str(loras)], env=environment)
        deadline = time.monotonic() + 120
        here = Library("s3://shelf/killed")
        while child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
            if count(here) > rows + rounds:  # in the middle of its work
                break
        child.kill()
        child.wait()
        killed += child.returncode == -9
        assert count(here) >= rows
        rows = count(here)
        time.sleep(2.5)
    assert killed and 0 < rows
    here.index([loras], workers=0)
    table = here.to_arrow().to_pydict()
    assert len(table["key"]) == len(set(table["key"])) == 12 and set(table["error"]) == {""}
    assert here.store.count(here.encoders["output"].table("micro-1")) == 12


def count(library: Library) -> int:
    library.refresh()
    return library.store.count("files") if "files" in library.store.names() else 0


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(LorariumError) as caught:
        inspect_file("s3://bucket/x.safetensors")
    assert "\n" not in str(caught.value)
