"""Packing the sample library out of a minted folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from lorarium.errors import LorariumError
from lorarium.evaluation.describe.zoo import read_zoo
from lorarium.formats import read
from lorarium.library.samples import CARD, sample
from lorarium.recipes import sample as stage
from lorarium.recipes.timebox import TimeIsOver
from lorarium.recipes.zoo import manifest
from tests.evaluation.describe.minted import minted
from tests.recipes.boxes import looks


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return minted(tmp_path_factory.mktemp("zoo"), {"test": 2, "validation": 1})


def test_packed_whole_and_the_same_twice(folder: Path, tmp_path: Path) -> None:
    first, again = (stage.pack(read_zoo(folder), tmp_path / n, "abc") for n in ("a", "b"))
    names = [one.path.name for one in first.adapters]
    assert names == [one.path.name for one in again.adapters] == sorted(set(names))
    # of both artists the first copy, and a relative of the first artist; none of another split
    assert {one.of for one in first.adapters} == {("ink", 0), ("ink", 1), ("oil", 0)}
    assert len(first.of("style", ("ink", 0))) == 3 and len(first.of("style", ("oil", 0))) == 2
    for one, two in zip(first.adapters, again.adapters, strict=True):
        assert one.path.read_bytes() == two.path.read_bytes()
    one = first.adapters[0]
    packed, original = read(one.path), read(folder / one.path.name)
    assert packed.metadata["modelspec.tags"] == "ink, style, R0"
    for module in original:
        assert packed[module].up.dtype == np.float16
        np.testing.assert_allclose(packed[module].up, original[module].up, rtol=1e-3, atol=1e-4)


def test_limits_and_replacing(folder: Path, tmp_path: Path, monkeypatch) -> None:
    out = tmp_path / "out"
    stage.pack(read_zoo(folder), out, "abc")
    size = next(one.path.stat().st_size for one in sample(out).adapters)
    monkeypatch.setattr(stage, "ROOM", int(2.5 * size))
    assert len(stage.pack(read_zoo(folder), out, "abc").adapters) == 2
    monkeypatch.setattr(stage, "MAX_ADAPTERS", 1)
    assert len(stage.pack(read_zoo(folder), out, "abc").adapters) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_out_of_time_it_leaves_what_is_there(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = [one.path.name for one in stage.pack(read_zoo(folder), out, "abc").adapters]
    with pytest.raises(TimeIsOver, match="2 adapters were packed, nothing is replaced"):
        stage.pack(read_zoo(folder), out, "abc", box=looks(2))
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert [one.path.name for one in sample(out).adapters] == before


def test_refused(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    stage.pack(read_zoo(folder), out, "abc")
    with pytest.raises(LorariumError, match="minted on the base abc, the shipped one is def"):
        stage.pack(read_zoo(folder), out, "def")
    with pytest.raises(LorariumError, match="no adapters of the split train"):
        stage.pack(read_zoo(folder), out, "abc", split="train")
    assert len(sample(out).adapters) == 6


def test_due(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zoo = tmp_path / "zoo"
    monkeypatch.setattr(stage, "FOLDER", tmp_path / "out")
    monkeypatch.setattr(stage.zoo_stage, "FOLDER", zoo)
    assert not stage.due()
    shutil.copytree(folder, zoo)
    assert stage.due()
    stage.pack(read_zoo(zoo), stage.FOLDER, "abc")
    assert not stage.due()
    (stage.FOLDER / CARD).write_text("{}")
    assert stage.due()


def test_the_core_zoo_has_relatives_of_the_tours_artist() -> None:
    from lorarium.training.tour import ARTIST

    chosen = list(stage.wanted([e for e in manifest().entries if e.split == "test"]))
    ids = [e.id for e in chosen]
    assert len(ids) == len(set(ids)) >= 50
    own = [e for e in chosen[: stage.MAX_ADAPTERS - 5] if e.of == ARTIST]
    assert {e.recipe for e in own} > {"R0"} and len({e.init_seed for e in own}) == len(own) == 3
    assert len({e.of for e in chosen if e.kind == "subject"}) == stage.CLASSES
