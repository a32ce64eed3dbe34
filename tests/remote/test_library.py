"""A library of files that lie elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from lorarium.errors import LorariumError
from lorarium.library import Library
from tests.library.zoo import ink, write
from tests.remote.server import Server


@pytest.fixture
def here(tmp_path: Path) -> Library:
    return Library(tmp_path / "library")


def names(library: Library) -> dict[str, tuple[str, str]]:
    table = library.to_arrow().to_pydict()
    rows = zip(table["path"], table["id"], table["error"], strict=True)
    return {path: (id, error) for path, id, error in rows}


def test_a_repository_is_indexed_and_brought_up_to_date(
    at_hub: Server, folder: Path, here: Library, tmp_path: Path
) -> None:
    write(folder, {name: ink(i) for i, name in enumerate("abc")})
    first = here.index(["hf://owner/name"], workers=0)
    assert (first.new, first.bad) == (3, [])
    before = len(at_hub.requests)
    again = here.index(["hf://owner/name"], workers=0)
    assert again.unchanged == 3 and len(at_hub.requests) == before + 1  # the list alone
    write(folder, {"b": ink(7)})
    (folder / "c.safetensors").unlink()
    third = here.index(["hf://owner/name"], workers=0)
    assert (third.changed, third.gone, third.unchanged) == (1, 1, 1)

    # the same file here has the same identity, and is the one to keep
    write(tmp_path / "loras", {"copy": ink(0)})
    here.index([tmp_path / "loras"], workers=0)
    [group] = here.duplicates()
    assert group.keeper == str(tmp_path / "loras" / "copy.safetensors")
    assert "on this machine" in group.reason
    answer = here.search("hf://owner/name/a.safetensors", k=1)
    assert answer.matches[0].paths[0] == group.keeper and answer.matches[0].score > 0.999
    assert here.lineage("hf://owner/name/a.safetensors").copies
    assert not any(item.path.startswith("hf:") for item in here.tidy_plan().items)


def test_addresses_with_secrets(server: Server, folder: Path, here: Library) -> None:
    write(folder, {"a": ink(0)})
    url = server.url.replace("//", "//me:pass@") + "/a.safetensors?token=abc"
    here.index([url], workers=0)
    here.index([url.replace("abc", "def")], workers=0)  # the same file by another token
    assert list(names(here)) == [f"{server.url}/a.safetensors?…"]
    for file in here.folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert b"pass" not in content and b"token=" not in content, file


def test_workers_read_addresses_too(server: Server, folder: Path, here: Library) -> None:
    write(folder, {"a": ink(0), "b": ink(1)})
    urls = [f"{server.url}/{name}.safetensors" for name in "ab"]
    report = here.index(urls, workers=1)
    assert (report.new, report.bad) == (2, [])


def test_a_bad_file_elsewhere_is_a_row(server: Server, folder: Path, here: Library) -> None:
    write(folder, {"a": ink(0)})
    with pytest.raises(LorariumError, match="there is no such file"):
        here.index([f"{server.url}/none.safetensors"], workers=0)
    (folder / "bad.safetensors").write_bytes(b"<html>" + bytes(100))
    report = here.index([f"{server.url}/{name}.safetensors" for name in ("a", "bad")], workers=0)
    [(path, error)] = report.bad
    assert path == f"{server.url}/bad.safetensors" and "web page" in error


def test_only_folders_here_can_be_watched(here: Library) -> None:
    with pytest.raises(LorariumError, match="this machine"):
        here.watch(["hf://owner/name"], print)


def test_one_place_at_a_time(server: Server, folder: Path, here: Library) -> None:
    """What lies in one repository says nothing of another."""
    write(folder, {"a": ink(0)})
    (folder / "deep").mkdir()
    write(folder / "deep", {"b": ink(1)})
    here.index([f"{server.url}/a.safetensors"], workers=0)
    report = here.index([f"{server.url}/deep/b.safetensors"], workers=0)
    assert report.gone == 0 and len(names(here)) == 2
