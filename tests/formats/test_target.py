"""The one door to the disk: nothing is written over unasked, and never half."""

from __future__ import annotations

import ast
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import lorarium
from lorarium.errors import LorariumError
from lorarium.formats.target import (
    check_adapter_target,
    check_target,
    write_atomically,
    write_folder_atomically,
)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_what_is_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_atomically(path, [b"old"])
    with pytest.raises(LorariumError, match="is there already; --force"):
        write_atomically(path, [b"new"])
    assert tree(tmp_path) == {"x.json": b"old"}
    write_atomically(path, [b"new"], force=True)
    assert tree(tmp_path) == {"x.json": b"new"}


def test_an_input_is_kept_beside_each_time(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b"0")
    with pytest.raises(LorariumError, match=r"one of the inputs; .*x\.json\.bak"):
        write_atomically(path, [b"1"], inputs=["sum", tmp_path / "none", path])
    for text in (b"1", b"2"):
        write_atomically(path, [text], force=True, inputs=[path])
    assert tree(tmp_path) == {"x.json": b"2", "x.json.bak": b"0", "x.json.bak2": b"1"}


@pytest.mark.parametrize("other", ["link", "hard link", "its folder", "another spelling"])
def test_an_input_by_another_name_is_one(other: str, tmp_path: Path) -> None:
    path, given = tmp_path / "in" / "x.json", tmp_path / "y.json"
    path.parent.mkdir()
    path.write_bytes(b"old")
    if other == "link":
        given.symlink_to(path)
    elif other == "hard link":
        os.link(path, given)
    else:
        given = path.parent if other == "its folder" else tmp_path / "in" / ".." / "in" / "x.json"
    write_atomically(path, [b"new"], force=True, inputs=[given])
    assert path.read_bytes() == b"new" and Path(f"{path}.bak").read_bytes() == b"old"


def test_a_link_is_replaced_and_what_it_names_stays(tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_bytes(b"old")
    link.symlink_to(real)
    with pytest.raises(LorariumError, match="is there already"):
        write_atomically(link, [b"new"])
    write_atomically(link, [b"new"], force=True)
    assert real.read_bytes() == b"old" and link.read_bytes() == b"new" and not link.is_symlink()
    link.unlink()
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(LorariumError, match="is there already"):
        check_target(link)


def test_what_is_no_ordinary_file_is_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LorariumError, match="no ordinary file"):
        write_atomically(tmp_path / "pipe", [b"x"], force=True)
    with pytest.raises(LorariumError, match="no ordinary file"):
        check_target("/dev/null", force=True)
    (tmp_path / "folder").mkdir()
    with pytest.raises(LorariumError, match="this is a folder"):
        write_atomically(tmp_path / "folder", [b"x"], force=True)
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(LorariumError, match="this is a file"):
        check_target(tmp_path / "file", force=True, folder=True)


@pytest.mark.parametrize("name", ["x.ckpt", "x.pt", "x.bin", "x.pth", "x", "x.safetensors.zip"])
def test_a_suffix_that_we_do_not_write(name: str, tmp_path: Path) -> None:
    with pytest.raises(LorariumError, match=r"\.safetensors is needed"):
        check_adapter_target(tmp_path / name, "kohya", force=True)
    if name.endswith((".ckpt", ".pt", ".bin", ".pth")):
        with pytest.raises(LorariumError, match="a folder is to be written"):
            check_adapter_target(tmp_path / name, "peft", force=True)
    check_adapter_target(tmp_path / "x.SAFETENSORS", "kohya")


def test_folders(tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.mkdir()  # an empty one is free
    write_folder_atomically(target, lambda folder: void((folder / "a").write_bytes(b"0")))
    with pytest.raises(LorariumError, match="is there already"):
        write_folder_atomically(target, lambda folder: None)
    write_folder_atomically(target, lambda f: void((f / "b").write_bytes(b"1")), force=True)
    assert tree(tmp_path) == {"x/b": b"1"}
    write_folder_atomically(
        target, lambda f: void((f / "c").write_bytes(b"2")), force=True, inputs=[target / "b"]
    )
    assert tree(tmp_path) == {"x/c": b"2", "x.bak/b": b"1"}

    def fail(folder: Path) -> None:
        (folder / "d").write_bytes(b"3")
        raise OSError(28, "No space left on device")

    with pytest.raises(LorariumError, match="No space left"):
        write_folder_atomically(target, fail, force=True)
    assert tree(tmp_path) == {"x/c": b"2", "x.bak/b": b"1"}


def void(_: object) -> None:
    return None


def test_two_that_write_at_once(tmp_path: Path) -> None:
    """The second finds the name taken only when it is done, and does not take it."""
    path = tmp_path / "x.json"

    def slow() -> object:
        yield b"mine"
        write_atomically(path, [b"theirs"])

    with pytest.raises(LorariumError, match="is there already"):
        write_atomically(path, slow())  # type: ignore[arg-type]
    assert tree(tmp_path) == {"x.json": b"theirs"}


def test_a_check_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b"old")

    def check(beside: Path) -> None:
        assert beside.read_bytes() == b"new"
        raise LorariumError("no")

    with pytest.raises(LorariumError, match="no"):
        write_atomically(path, [b"new"], check, force=True, inputs=[path])
    assert tree(tmp_path) == {"x.json": b"old"}


KILLED = """
import sys
from lorarium.formats.target import write_atomically
path, size = sys.argv[1], 2_000_000
print("go", flush=True)
while True:
    for letter in b"abc":
        write_atomically(path, (bytes([letter]) * 100_000 for _ in range(20)), force=True)
"""


def test_killed_at_any_moment_the_file_is_whole(tmp_path: Path) -> None:
    path, chance = tmp_path / "x.json", random.Random(0)
    path.write_bytes(b"z" * 2_000_000)
    for _ in range(6):
        program = [sys.executable, "-c", KILLED, str(path)]
        running = subprocess.Popen(program, stdout=subprocess.PIPE)
        assert running.stdout is not None and running.stdout.readline() == b"go\n"
        time.sleep(chance.uniform(0, 0.1))
        running.send_signal(signal.SIGKILL)
        running.wait()
        running.stdout.close()
        content = path.read_bytes()
        assert len(content) == 2_000_000 and len(set(content)) == 1


# where files of the house's own are written: caches, copies, checkpoints, trained networks
OWN = {
    "cli/tour.py",
    "encoders/store.py",
    "encoders/training.py",
    "evaluation/judging/journal.py",
    "evaluation/synth/protocol.py",
    "library/folder.py",
    "library/journal.py",
    "library/text_index.py",
    "remote/copying.py",
    "studio/previews.py",
    "studio/uploads.py",
    "training/run.py",
}
WRITES = {"write_bytes", "write_text", "savetxt", "savez", "save_file", "replace", "rename"}


def test_nobody_writes_past_the_door() -> None:
    """Whoever opens a file to write, or renames one, is the door or writes what is its own."""
    source = Path(lorarium.__file__).parent
    past = set()
    for path in sorted(source.rglob("*.py")):
        name = str(path.relative_to(source))
        if name == "formats/target.py" or name in OWN or name.startswith("recipes/"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and writes(node):
                past.add(f"{name}:{node.lineno}")
    assert past == set()


def writes(call: ast.Call) -> bool:
    function = call.func
    if isinstance(function, ast.Name) and function.id == "open":
        modes = [*call.args[1:2], *(word.value for word in call.keywords if word.arg == "mode")]
        return any(isinstance(m, ast.Constant) and set(str(m.value)) & set("wax+") for m in modes)
    if not isinstance(function, ast.Attribute) or function.attr not in WRITES:
        return False
    if function.attr in ("replace", "rename"):  # also of text, of dates and of columns
        return isinstance(function.value, ast.Name) and function.value.id == "os"
    return True
