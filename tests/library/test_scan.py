"""What lies in folders: links, changes, moves."""

from __future__ import annotations

import gc
import os
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from lorarium.errors import LorariumError
from lorarium.library.scan import Known, Scan, plan, scan, signature

READERS = {".safetensors": "1"}


def touch(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(listing: Scan) -> list[str]:
    return [Path(entry.path).name for entry in listing.entries]


def known(listing: Scan) -> list[Known]:
    return [Known(e.key, e.path, e.signature, "1") for e in listing.entries]


def test_only_tensor_files_are_found(tmp_path: Path) -> None:
    for name in ("a.safetensors", "b.PT", "c.txt", "sub/d.ckpt", ".hidden/e.bin"):
        touch(tmp_path / name)
    os.mkfifo(tmp_path / "f.safetensors")
    assert names(scan([tmp_path])) == ["e.bin", "a.safetensors", "b.PT", "d.ckpt"]


def test_links(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    touch(inside / "a.safetensors")
    touch(tmp_path / "out" / "secret.safetensors")
    (inside / "same.safetensors").symlink_to("a.safetensors")
    (inside / "secret.safetensors").symlink_to("../out/secret.safetensors")
    (inside / "gone.safetensors").symlink_to("nowhere.safetensors")
    (inside / "loop").symlink_to(inside)
    (inside / "out").symlink_to(tmp_path / "out")
    (inside / "round.safetensors").symlink_to("round.safetensors")
    assert names(scan([inside])) == ["a.safetensors"]


def test_hub_cache_counts_once(tmp_path: Path) -> None:
    touch(tmp_path / "models--x" / "blobs" / "abc")
    for revision in ("1", "2"):
        link = tmp_path / "models--x" / "snapshots" / revision / "a.safetensors"
        link.parent.mkdir(parents=True)
        link.symlink_to("../../blobs/abc")
    assert names(scan([tmp_path])) == ["a.safetensors"]


def test_overlapping_folders_count_once(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "x.safetensors")
    assert len(scan([tmp_path, tmp_path / "a", tmp_path]).entries) == 1


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(LorariumError, match="no such folder"):
        scan([tmp_path / "x"])


def test_what_is_beside_counts(tmp_path: Path) -> None:
    path = touch(tmp_path / "a.safetensors")
    before = signature(path)
    touch(tmp_path / "a.civitai.info", b"{}")
    touch(tmp_path / "b.civitai.info", b"{}")
    after = signature(path)
    assert before != after and scan([tmp_path]).entries[0].signature == after


def test_plan(tmp_path: Path) -> None:
    for name in ("same", "changed", "renamed", "gone", "replaced"):
        touch(tmp_path / f"{name}.safetensors", name.encode())
    before = known(scan([tmp_path]))
    stamp = (tmp_path / "changed.safetensors").stat()
    touch(tmp_path / "changed.safetensors", b"CHANGED")
    os.utime(tmp_path / "changed.safetensors", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    (tmp_path / "renamed.safetensors").rename(tmp_path / "new name.safetensors")
    (tmp_path / "gone.safetensors").unlink()
    touch(tmp_path / "other.safetensors", b"replaced").replace(tmp_path / "replaced.safetensors")
    touch(tmp_path / "new.safetensors")
    changes = plan(scan([tmp_path]), before, [tmp_path], READERS)
    assert sorted(Path(e.path).name for e in changes.read) == [
        "changed.safetensors",  # of the same size and time
        "new.safetensors",
        "replaced.safetensors",
    ]
    assert len(changes.changed) == 2 and changes.unchanged == 1
    assert [Path(old.path).stem for old, _ in changes.moved] == ["renamed"]
    assert [Path(old.path).stem for old in changes.gone] == ["gone"]


def test_other_folders_and_closed_ones_are_not_gone(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "x.safetensors")
    touch(tmp_path / "ab" / "y.safetensors")
    touch(tmp_path / "a" / "closed" / "z.safetensors")
    before = known(scan([tmp_path]))
    now = Scan([], [str(tmp_path / "a" / "closed")])
    changes = plan(now, before, [tmp_path / "a"], READERS)
    assert [Path(old.path).stem for old in changes.gone] == ["x"]


def test_a_newer_reader_reads_again(tmp_path: Path) -> None:
    touch(tmp_path / "a.safetensors")
    listing = scan([tmp_path])
    again = plan(listing, known(listing), [tmp_path], {".safetensors": "2"})
    assert len(again.read) == 1 and again.unchanged == 0


def test_of_what_is_known_only_what_has_gone_is_kept(tmp_path: Path) -> None:
    for i in range(20):
        touch(tmp_path / f"{i}.safetensors")
    before = known(scan([tmp_path]))
    (tmp_path / "7.safetensors").unlink()
    kept: list[weakref.ref[Known]] = []

    def one_by_one() -> Iterator[Known]:
        while before:
            kept.append(weakref.ref(before[-1]))
            yield before.pop()

    changes = plan(scan([tmp_path]), one_by_one(), [tmp_path], READERS)
    gc.collect()
    assert [old for ref in kept if (old := ref()) is not None] == changes.gone
    assert len(changes.gone) == 1 and changes.unchanged == 19
