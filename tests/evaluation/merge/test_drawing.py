"""Where pictures of merges are kept: hours of drawing must be recognised again."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("torch")

from lorarium.evaluation.merge.cells import Cell
from lorarium.evaluation.merge.drawing import PictureCache
from lorarium.evaluation.merge.rows import MERGES, named
from lorarium.training.manifest import Entry
from lorarium.training.recipe import Recipe


def test_pictures_drawn_before_the_class_was_renamed_are_recognised(tmp_path: Path) -> None:
    paths = tmp_path / "a", tmp_path / "b"
    for path in paths:
        path.write_text(path.name)
    entries = tuple(
        Entry(kind, kind, of, "test", "R0", Recipe(), 1, 2, (0, 1))
        for kind, of in (("subject", ("cat", 1)), ("style", ("ink", 2)))
    )
    cell = Cell(0, 1, (entries[0], entries[1]), paths)
    base = SimpleNamespace(hash="ab" * 32)
    cache = PictureCache(base, tmp_path)  # type: ignore[arg-type]
    hashes = ", ".join(repr(hashlib.sha256(name).hexdigest()) for name in (b"a", b"b"))
    text = (
        f"['{base.hash}', Row(name='sum', method='sum', weights=(1.0, 1.0), options={{}}, "
        f"sort='merge'), {cell.prompt!r}, {cell.seed}, [2, 3, 0], {entries!r}, {hashes}]"
    )
    place = cache.place((named(MERGES, "sum"), cell, 2, 3, 0))
    assert place.name == hashlib.sha256(text.encode()).hexdigest()[:32] + ".npz"
