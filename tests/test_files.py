"""The door to a stranger's files: what is no ordinary file is refused before it is opened."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from lorarium import files
from lorarium.errors import LorariumError


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def link_to_pipe(folder: Path) -> Path:
    (folder / "link").symlink_to(pipe(folder))
    return folder / "link"


def unix_socket(folder: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as listener:
        before = os.getcwd()
        os.chdir(folder)  # the name of a socket may not be long
        try:
            listener.bind("s")
        finally:
            os.chdir(before)
    return folder / "s"


def link_to_itself(folder: Path) -> Path:
    (folder / "loop").symlink_to("loop")
    return folder / "loop"


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "pipe": (pipe, "not an ordinary file"),
    "link to a pipe": (link_to_pipe, "not an ordinary file"),
    "socket": (unix_socket, "not an ordinary file"),
    "device": (lambda folder: Path("/dev/zero"), "not an ordinary file"),
    "folder": (lambda folder: folder, "this is a folder"),
    "absent": (lambda folder: folder / "absent", "no such file"),
    "a long name": (lambda folder: folder / ("x" * 300), "File name too long"),
    "a NUL": (lambda folder: folder / "a\0b", "cannot be read"),
    "link to itself": (link_to_itself, "cannot be read"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, tmp_path: Path) -> None:
    make, words = REFUSED[case]
    path = make(tmp_path)
    assert not files.is_regular(path)
    for open_ in (files.open_regular, files.require_regular, lambda p: files.read_text(p, "it")):
        with pytest.raises(LorariumError, match=words):
            open_(path)


def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "require_regular", lambda path: None)  # it was one a moment ago
    with pytest.raises(LorariumError, match="not an ordinary file"):
        files.open_regular(pipe(tmp_path))


def test_text_is_limited_and_is_text(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\xef\xbb\xbfhello")
    assert files.read_text(path, "the note") == "hello"
    with pytest.raises(LorariumError, match="the note is larger than 4 bytes"):
        files.read_text(path, "the note", 4)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(LorariumError, match="the note is not text"):
        files.read_text(path, "the note")


def test_a_folder_gives_its_own_ordinary_files(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for name in ("b.png", "a.PNG", "c.txt"):
        (home / name).touch()
    (tmp_path / "secret.png").touch()
    (home / "out.png").symlink_to(tmp_path / "secret.png")
    (home / "in.png").symlink_to(home / "b.png")
    (home / "gone.png").symlink_to(home / "gone")
    (home / "folder.png").mkdir()
    os.mkfifo(home / "pipe.png")
    names = [path.name for path in files.files_inside(home, (".png",))]
    assert names == ["a.PNG", "b.png", "in.png"]
