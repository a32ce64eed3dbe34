"""Indexing: what is new, what has changed, what must never be lost."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import lorarium
from lorarium.errors import LorariumError
from lorarium.library import Library, rows
from lorarium.library.folder import writing
from lorarium.library.scan import Entry, signature
from tests.library import ray_nodes
from tests.library.zoo import ink, library, write

ROOT = Path(__file__).parent.parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(lorarium.__file__).parent.parent)}


@pytest.fixture
def loras(tmp_path: Path) -> Path:
    write(tmp_path / "loras", {name: ink(i) for i, name in enumerate("abcd")})
    return tmp_path / "loras"


def state(made: Library) -> dict[str, tuple[str, str]]:
    """Name -> content and error; a name twice is an error."""
    made.refresh()
    table = made.to_arrow().to_pydict()
    names = [Path(path).name for path in table["path"]]
    assert len(set(names)) == len(names) and len(set(table["key"])) == len(names)
    return dict(zip(names, zip(table["id"], table["error"], strict=True), strict=True))


def vectors(made: Library) -> set[str]:
    """Contents that have an output vector, each once."""
    encoder = made.encoders["output"]
    ids = made.store.read(encoder.table("micro-1"), ["id"])["id"].to_pylist()
    assert len(set(ids)) == len(ids)
    return set(ids)


def test_what_is_kept(loras: Path, tmp_path: Path) -> None:
    tagged = ink(
        9, ss_tag_frequency='{"x": {"ink wash": 4, "tree": 1}}', ss_output_name="Ink \x1b[31m"
    )
    write(loras, {"tagged": tagged})
    (loras / "tagged.civitai.info").write_text('{"trainedWords": ["inkstyle"]}')
    made = library(tmp_path / "library", loras)
    (row,) = made.to_arrow("tags = 'ink wash'").to_pylist()
    assert row["family"] == "micro-1" and row["rank"] == 4 and row["dialect"].startswith("kohya")
    assert row["words"] == ["ink wash", "inkstyle"] and "\x1b" not in row["title"]
    assert (
        row["kind"] == "lora"
        and row["dtype"] == "float16"
        and row["norm"] == pytest.approx(4, 0.01)
    )
    assert (
        len(row["payload_sha256"]) == 64 and len(row["fingerprint"]) == 32 and row["health"] == []
    )
    assert made.families() == {"micro-1": 5} and len(made) == 5


def test_only_what_changed_is_read(loras: Path, tmp_path: Path) -> None:
    made = library(tmp_path / "library")
    first = made.index([loras], workers=0)
    assert (first.new, first.unchanged, first.bad) == (4, 0, [])
    before = state(made)
    again = made.index([loras], workers=0)
    assert (again.new, again.changed, again.unchanged) == (0, 0, 4)
    write(loras, {"b": ink(11), "e": ink(12)})
    (loras / "a.safetensors").rename(loras / "moved.safetensors")
    (loras / "c.safetensors").unlink()
    third = made.index([loras], workers=0)
    counts = (third.new, third.changed, third.moved, third.gone, third.unchanged)
    assert counts == (1, 1, 1, 1, 1)
    after = state(made)
    assert set(after) == {f"{n}.safetensors" for n in ("moved", "b", "d", "e")}
    assert after["moved.safetensors"] == before["a.safetensors"]
    assert after["b.safetensors"] != before["b.safetensors"]
    assert vectors(made) == {content for content, _ in after.values()}


def test_moved_to_another_disk_is_moved(loras: Path, tmp_path: Path) -> None:
    made = library(tmp_path / "library", loras)
    (loras / "sub").mkdir()
    shutil.copyfile(loras / "a.safetensors", loras / "sub" / "a2.safetensors")
    (loras / "a.safetensors").unlink()
    report = made.index([loras], workers=0)
    assert (report.new, report.moved, report.gone) == (0, 1, 0)


def test_touched_files_stay_what_they_are(loras: Path, tmp_path: Path) -> None:
    made = library(tmp_path / "library", loras)
    before = state(made)
    os.utime(loras / "a.safetensors")
    assert made.index([loras], workers=0).changed == 1
    assert state(made) == before


def test_bad_files_are_listed_and_tried_again(loras: Path, tmp_path: Path) -> None:
    (loras / "bad.safetensors").write_bytes(b"oops")
    (loras / "pickle.pt").write_bytes(b"\x80\x02}q\0.")
    (loras / "lfs.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    made = library(tmp_path / "library")
    report = made.index([loras], workers=2)
    assert report.new == 7 and len(report.bad) == 3
    assert all("\n" not in error for _, error in report.bad)
    assert made.index([loras], workers=0).bad == []  # told once
    assert len(made.to_arrow("error != ''")) == 3
    write(loras, {"bad": ink(5)})
    assert made.index([loras], workers=0).changed == 1
    assert state(made)["bad.safetensors"][1] == ""


def test_names_that_are_no_text(loras: Path, tmp_path: Path) -> None:
    strange = os.fsencode(loras) + b"/\xff.safetensors"
    try:
        shutil.copyfile(loras / "a.safetensors", strange)
    except OSError:
        pytest.skip("this disk takes only text")
    shutil.copyfile(loras / "a.safetensors", loras / "two  blanks\n'quotes.safetensors")
    made = library(tmp_path / "library")
    report = made.index([loras], workers=0)
    assert [error for _, error in report.bad] == ["its name is not valid text; rename it"]
    again = made.index([loras], workers=0)
    assert (again.unchanged, again.gone, again.changed) == (6, 0, 0)


def test_a_file_that_changes_while_it_is_read(
    loras: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = loras / "a.safetensors"
    real = rows.load

    def load(p: Path) -> object:
        adapter = real(p)
        if p == path:
            os.utime(path, ns=(1, random.getrandbits(40)))
        return adapter

    monkeypatch.setattr(rows, "load", load)
    made = library(tmp_path / "library")
    report = made.index([loras], workers=0)
    assert [error for _, error in report.bad] == ["it changed while it was read; index again"]
    monkeypatch.setattr(rows, "load", real)
    assert made.index([loras], workers=0).changed == 1
    assert state(made)["a.safetensors"][1] == ""


def test_a_file_that_goes_before_it_is_read(loras: Path) -> None:
    path = loras / "a.safetensors"
    before = signature(path)
    assert before is not None
    path.unlink()
    assert rows.read_row(Entry(str(path), before), "1")["error"]


def test_an_empty_disk_takes_nothing_away(loras: Path, tmp_path: Path) -> None:
    made = library(tmp_path / "library", loras)
    before = state(made)
    for path in loras.iterdir():
        path.unlink()
    with pytest.raises(LorariumError, match="none of the 4 files"):
        made.index([loras], workers=0)
    assert state(made) == before
    write(tmp_path / "more", {"x": ink(99)})
    with pytest.raises(LorariumError, match="no such folder"):
        made.index([tmp_path / "more", tmp_path / "nowhere"], workers=0)
    assert state(made) == before
    assert made.index([tmp_path], workers=0).gone == 4


def test_folders_are_kept_apart(loras: Path, tmp_path: Path) -> None:
    write(tmp_path / "more", {"x": ink(20)})
    made = library(tmp_path / "library", loras, tmp_path / "more")
    assert made.index([tmp_path / "more"], workers=0).gone == 0
    assert len(state(made)) == 5


def test_processes_and_one_process_agree(loras: Path, tmp_path: Path) -> None:
    (loras / "bad.safetensors").write_bytes(b"oops")
    one, two = library(tmp_path / "1"), library(tmp_path / "2")
    one.index([loras], workers=0)
    two.index([loras], workers=2)
    assert one.to_arrow().equals(two.to_arrow())
    sketches = [
        sorted(m.store.read("files", ["key", "sketch"]).to_pylist(), key=str) for m in (one, two)
    ]
    assert sketches[0] == sketches[1]


def test_a_new_space_is_filled_from_the_sketches(loras: Path, tmp_path: Path) -> None:
    from lorarium.library import VectorSpace

    made = library(tmp_path / "library", loras)
    shutil.rmtree(loras / "never", ignore_errors=True)
    made.register(VectorSpace("style", "7", lambda s: s.output[:5]))
    assert made.search(loras / "a.safetensors").space == "output"  # until it is filled
    made.index([loras], workers=0)
    assert made.search(loras / "a.safetensors").space == "style"
    made.register(VectorSpace("style", "8", lambda s: s.output[:6]))
    made.index([loras], workers=0)
    assert {name for name in made.store.names() if name.startswith("style")} == {"style.8.micro-1"}


# Libraries that are not as they should be.


def test_there_is_none(tmp_path: Path) -> None:
    for ask in (len, lambda m: m.search("x"), lambda m: m.duplicates()):
        with pytest.raises(LorariumError, match=r"no library here.*lorarium index"):
            ask(Library(tmp_path / "nowhere"))
    assert not (tmp_path / "nowhere").exists()


def test_an_empty_one(tmp_path: Path) -> None:
    made = Library(tmp_path / "library")
    (tmp_path / "none").mkdir()
    with pytest.raises(LorariumError, match="no tensor file"):
        made.index([tmp_path / "none"], workers=0)
    with pytest.raises(LorariumError, match="empty"):
        made.duplicates()


def test_a_newer_one(loras: Path, tmp_path: Path) -> None:
    made = library(tmp_path / "library", loras)
    card = tmp_path / "library" / "library.json"
    card.write_text(json.dumps({"format": "lorarium-library", "version": 99}))
    for ask in (lambda: len(Library(made.folder)), lambda: made.index([loras], workers=0)):
        with pytest.raises(LorariumError, match="format 99"):
            ask()


@pytest.mark.parametrize("card", [b"", b"{", b"[]", b'{"format": "x", "version": 1}', b"\xff"])
def test_a_broken_card(loras: Path, tmp_path: Path, card: bytes) -> None:
    made = library(tmp_path / "library", loras)
    (tmp_path / "library" / "library.json").write_bytes(card)
    for ask in (lambda: len(Library(made.folder)), lambda: made.index([loras], workers=0)):
        with pytest.raises(LorariumError, match=r"damaged|not a library"):
            ask()


def test_broken_tables(loras: Path, tmp_path: Path) -> None:
    made = library(tmp_path / "library", loras)
    for path in (made.folder / "store").rglob("*.lance"):
        if path.is_file():
            path.write_bytes(b"x" * 100)
    assert len(Library(made.folder)) == 4  # from the mapped table, while there is one
    shutil.rmtree(made.folder / "snapshot")
    made.refresh()
    for ask in (lambda: len(Library(made.folder)), lambda: made.index([loras], workers=0)):
        with pytest.raises(LorariumError) as caught:
            ask()
        assert "damaged" in str(caught.value) and "\n" not in str(caught.value)


def test_another_folder_is_not_taken(loras: Path) -> None:
    with pytest.raises(LorariumError, match="other things"):
        Library(loras).index([loras], workers=0)
    assert sorted(p.name for p in loras.iterdir()) == [f"{n}.safetensors" for n in "abcd"]


def test_a_library_inside_its_folder(loras: Path) -> None:
    made = library(loras / "library", loras)
    (made.folder / "store" / "strange.bin").write_bytes(b"x")
    again = made.index([loras], workers=0)
    assert (again.new, again.unchanged) == (0, 4)


def test_a_kill_while_a_table_is_made(loras: Path, tmp_path: Path) -> None:
    made = tmp_path / "library"
    Library(made).index([loras], workers=0)
    shutil.rmtree(made / "store")
    for name in ("files", "output.1.micro-1"):
        (made / "store" / f"{name}.lance" / "data").mkdir(parents=True)
    with pytest.raises(LorariumError, match="empty"):
        len(Library(made))
    assert Library(made).index([loras], workers=0).new == 4


def test_sketches_of_another_version_are_made_again(
    loras: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = library(tmp_path / "library", loras)
    stored = made.store.read("files", made.store._open("files").schema.names)
    old = [b"lsk" + data[3:4] + b"\x63\0" + data[6:] for data in stored["sketch"].to_pylist()]
    place = stored.schema.get_field_index("sketch")
    made.store.put("files", "key", stored.set_column(place, "sketch", [old]))
    for name in made.store.names() - {"files"}:
        made.store.drop(name)
    made.index([loras], workers=0)
    with pytest.raises(LorariumError, match="vectors yet"):
        made.search(loras / "a.safetensors")
    monkeypatch.setattr(rows, "ROW_VERSION", 99)
    assert made.index([loras], workers=0).changed == 4
    assert len(made.search(loras / "a.safetensors").matches) == 3


def test_two_indexers(loras: Path, tmp_path: Path) -> None:
    made = library(tmp_path / "library", loras)
    with writing(made.folder):
        with pytest.raises(LorariumError, match=rf"process {os.getpid()} on .* is writing"):
            library(made.folder).index([loras], workers=0)
        assert len(Library(made.folder)) == 4  # readers are not disturbed
    assert made.index([loras], workers=0).unchanged == 4


def test_a_folder_nobody_may_write(loras: Path, tmp_path: Path) -> None:
    made = library(tmp_path / "library", loras)
    # the administrator may write anywhere, unless that right is given up
    bare = "--bounding-set=-dac_override,-dac_read_search"
    first = ["setpriv", bare] if os.getuid() == 0 else []
    if first and shutil.which("setpriv") is None:
        pytest.skip("runs as the administrator")

    def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*first, sys.executable, "-m", "lorarium", *arguments]
        command += ["--library", str(made.folder)]
        return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)

    inside = [made.folder, *made.folder.rglob("*")]
    try:
        for path in inside:
            path.chmod(0o555 if path.is_dir() else 0o444)
        done = ask("index", str(loras), "--workers", "0")
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
        assert "cannot be written" in done.stderr
        answer = ask("search", str(loras / "a.safetensors"))
        assert answer.returncode == 0 and "b.safetensors" in answer.stdout, answer.stderr
    finally:
        for path in inside:
            path.chmod(0o755 if path.is_dir() else 0o644)


# Ends at any moment.


def test_ctrl_c_keeps_what_was_read(
    loras: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lorarium.library import indexing

    calls = 0
    real = indexing.read_row

    def read_row(entry: Entry, reader: str) -> dict[str, object]:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return real(entry, reader)

    monkeypatch.setattr(indexing, "read_row", read_row)
    made = library(tmp_path / "library")
    with pytest.raises(KeyboardInterrupt):
        made.index([loras], workers=0)
    assert len(state(made)) == 2
    report = made.index([loras], workers=0)
    assert (report.new, report.unchanged) == (2, 2) and len(vectors(made)) == 4


@pytest.mark.slow
def test_kill_at_any_moment(tmp_path: Path) -> None:
    loras = tmp_path / "loras"
    write(loras, {f"{i:03}": ink(i, rank=1) for i in range(40)})
    made = tmp_path / "library"
    program = (
        "import sys\n"
        "from lorarium.library import Library, indexing\n"
        "indexing.BATCH = 4\n"
        "library = Library(sys.argv[1])\n"
        "import lorarium.library.rows, lancedb\n"
        "print('ready', flush=True)\n"
        "library.index([sys.argv[2]], workers=0)\n"
        "print('done', flush=True)\n"
    )

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", program, str(made), str(loras)]
        running = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
        assert running.stdout is not None and running.stdout.readline() == "ready\n"
        return running

    rng = random.Random(0)
    changed = 0
    longest = 3.0
    for turn in range(20):
        began = time.monotonic()
        with start() as running:
            assert running.stdout is not None
            timer = threading.Timer(
                longest * rng.random() ** 2, running.send_signal, [signal.SIGKILL]
            )
            timer.start()
            finished = running.stdout.readline() == "done\n"
            timer.cancel()
        if finished:  # everything was there: give it something to do, and less time
            longest = min(longest, time.monotonic() - began)
            changed += 1
            write(
                loras,
                {f"{(7 * turn + k) % 40:03}": ink(1000 * turn + k, rank=1) for k in range(12)},
            )
            (loras / f"{turn:03}.safetensors").rename(loras / f"moved{turn:03}.safetensors")
        if (made / "library.json").exists() and (made / "store").exists():
            partial = Library(made)
            if "files" in partial.store.names():
                state(partial)
    done = Library(made)
    done.index([loras], workers=0)
    contents = state(done)
    assert set(contents) == {path.name for path in loras.iterdir()}
    assert vectors(done) == {content for content, _ in contents.values()}
    fresh = Library(tmp_path / "fresh")
    fresh.index([loras], workers=0)
    assert state(fresh) == contents


def test_watch(loras: Path, tmp_path: Path) -> None:
    made = library(tmp_path / "library")
    reports = []

    def hear(report: object) -> None:
        reports.append(report)
        if len(reports) == 1:
            write(loras, {"e": ink(30)})
            (loras / "a.safetensors").unlink()

    made.watch([loras], hear, every=0.05, rounds=8, workers=0)
    assert [(r.new, r.gone, r.unchanged) for r in reports] == [(4, 0, 0), (1, 1, 3)]


def test_watch_goes_on_after_trouble(loras: Path, tmp_path: Path) -> None:
    made = library(tmp_path / "library", loras)
    away = loras.with_name("away")
    loras.rename(away)
    reports = []

    def hear(report: object) -> None:
        reports.append(report)
        if away.exists():
            away.rename(loras)

    made.watch([loras], hear, every=0.02, rounds=6, workers=0)
    assert "no such folder" in reports[0].bad[0][1] and reports[1].unchanged == 4


@pytest.mark.slow
@pytest.mark.interop
def test_two_ray_nodes_agree_with_one_process(loras: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    write(loras, {f"{i:02}": ink(i, rank=1) for i in range(40)})
    (loras / "bad.safetensors").write_bytes(b"oops")
    done = subprocess.run(
        [sys.executable, ray_nodes.__file__, str(tmp_path / "ray"), str(loras)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    if done.returncode == ray_nodes.NO_CLUSTER:
        pytest.skip(f"Ray starts no two nodes here: {done.stderr[-500:]}")
    assert done.returncode == 0 and "files 45 bad 1" in done.stdout, done.stderr[-2000:]
    one = library(tmp_path / "one", loras)
    assert Library(tmp_path / "ray").to_arrow().equals(one.to_arrow())
