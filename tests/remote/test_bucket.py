"""Files in object storage, read where they are; a library that lies there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lorarium import formats
from lorarium.algebra import fingerprint
from lorarium.errors import LorariumError
from lorarium.formats.inspect import inspect_file, inspect_files
from lorarium.library import Library
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
    found = list(inspect_files(["s3://bucket/loras"]))
    assert [one.path[-13:] for one in found] == ["a.safetensors", "b.safetensors"]
    assert all(one.ok and one.read and one.ranks for one in found)
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
        ("s3://nobody/none.safetensors", "there is no such file"),
        ("s3://bucket/empty/folder", "there is no tensor file here"),
    ],
)
def test_what_is_not_there(store: str, address: str, words: str) -> None:
    put(store, "bucket/other/x.bin", b"x")
    [found] = inspect_files([address])
    assert words in found.error and "\n" not in found.error


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(LorariumError) as caught:
        inspect_file("s3://bucket/x.safetensors")
    assert "\n" not in str(caught.value)
