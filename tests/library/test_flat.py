"""What is held at once does not grow with the library, nor with the questions."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest

from lorarium.algebra import add
from lorarium.library import Library, family_space, filling, held, lineage_children, members
from lorarium.library.duplicates import Links
from lorarium.library.held import HeldWeights
from lorarium.library.origins import Searcher
from lorarium.library.recent import Recent
from tests.library.zoo import FAMILY, ink, library, write

FILES, HELD = 30, 16


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("flat")
    write(folder / "loras", {str(i): ink(i, rank=1) for i in range(FILES)})
    write(folder / "loras", {"copy": ink(3, rank=1)})
    return library(folder / "library", folder / "loras")


def test_the_last_used_stay() -> None:
    recent: Recent[str, int] = Recent(2)
    recent["a"], recent["b"] = 1, 2
    assert recent["a"] == 1
    recent["c"] = 3
    assert list(recent) == ["a", "c"]
    recent["a"] = 4
    recent["d"] = 5
    assert dict(recent) == {"a": 4, "d": 5}


def test_lineage_holds_few_sketches(made: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made.to_arrow()["path"][0].as_py()
    plain = Library(made.folder).lineage(path)
    monkeypatch.setattr(members, "SKETCHES", HELD)
    few = Library(made.folder)
    assert few.lineage(path) == plain
    assert len(few.snapshot.searchers[FAMILY].members.sketches._held) == HELD < FILES


def test_of_very_many_the_copy_is_among_the_nearest(
    made: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "SCREENED", 8)
    many = Library(made.folder)
    answer = many.lineage(made.to_arrow("path ~ 'copy'")["path"][0].as_py())
    assert [Path(copy.path).stem for copy in answer.copies] == ["3"]
    around = many.snapshot.searchers[FAMILY].members._around
    assert around and all(len(some) <= 2 * 8 for some in around.values())


def test_a_state_that_was_left_is_let_go(made: Library) -> None:
    here = Library(made.folder)
    here.lineage(made.to_arrow()["path"][0].as_py())
    state = weakref.ref(here.snapshot)
    here.refresh()
    gc.collect()
    assert state() is None


def test_spaces_are_calibrated_one_after_the_other(
    made: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables: weakref.WeakSet[Any] = weakref.WeakSet()
    living = []

    class Watched(family_space.VectorTable):
        def __init__(self, *parts: Any) -> None:
            super().__init__(*parts)
            tables.add(self)

    def calibrate(*parts: Any) -> Any:
        living.append(len(tables))
        return known(*parts)

    known = filling.calibrate
    monkeypatch.setattr(family_space, "VectorTable", Watched)
    monkeypatch.setattr(filling, "calibrate", calibrate)
    made.store.drop("calibrations")
    made.refresh()
    filling.fill(made.store, made.encoders, lambda count: None)
    made.refresh()
    assert len(living) >= 3 and not any(living) and len(made.snapshot.calibrations) == len(living)


def test_duplicates_make_rows_of_those_that_something_is_like(made: Library) -> None:
    links = Links(made.snapshot)
    paths = [row["path"] for p in links.prints for c in p.contents for row in c.rows]
    assert sorted(Path(path).stem for path in paths) == ["3", "copy"]


def test_small_files_count_for_what_is_made_of_them(
    made: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = made.to_arrow().to_pylist()
    monkeypatch.setattr(held, "BYTES", sum(row["size"] for row in rows))
    weights = HeldWeights()
    assert all(weights.weights(row) is not None for row in rows)
    assert 2 <= len(weights._held) < FILES


def test_few_files_are_open_at_once(made: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "FILES", 5)
    weights = HeldWeights()
    assert all(weights.weights(row) is not None for row in made.to_arrow().to_pylist())
    assert len(weights._held) == 5


def test_factors_of_few_files_are_kept(made: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made.to_arrow()["path"][0].as_py()
    plain = Library(made.folder)
    answer = plain.lineage(path)
    kept = plain.snapshot.searchers[FAMILY].members._factored
    assert len(kept) > 2
    monkeypatch.setattr(members, "NUMBERS", 2 * next(iter(kept.values())).numbers)
    few = Library(made.folder)
    assert few.lineage(path) == answer
    assert len(few.snapshot.searchers[FAMILY].members._factored) == 2


def test_strangers_that_come_near_by_chance_are_not_solved_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {str(i): ink(i, rank=1) for i in range(FILES)}
    write(tmp_path / "loras", files)
    write(tmp_path / "loras", {"merge": add([files["1"], files["2"]], [0.7, 0.5])})
    here = library(tmp_path / "library", tmp_path / "loras")
    monkeypatch.setattr(lineage_children, "LEAST", 0.0)  # as if all sketches came near each other
    solved = []
    fit = Searcher._fit_sum

    def counted(self: Searcher, asked: members.Member) -> Any:
        solved.append(Path(asked.path).stem)
        return fit(self, asked)

    monkeypatch.setattr(Searcher, "_fit_sum", counted)
    path = next(p for p in here.to_arrow()["path"].to_pylist() if Path(p).stem == "1")
    answer = here.lineage(path)
    assert [(Path(child.path).stem, child.verdict) for child in answer.children] == [
        ("merge", "sure")
    ]
    assert len(set(solved)) < FILES / 3, solved
