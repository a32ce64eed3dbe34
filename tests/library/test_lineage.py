"""Lineage: merges and their weights, runs, starts, and what is none of these."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lorarium.adapter import Adapter
from lorarium.algebra import add, recompress
from lorarium.library import Library, Lineage
from lorarium.library.merges import fit
from tests.library.zoo import half_rank, ink, library, same_start, write

CROWD = 40
# name -> parents and their weights; the last two are cut to half their rank
MERGES = {
    "pair": {3: 0.8, 7: 0.5},
    "three": {1: 1.0, 2: 0.6, 9: -0.4},
    "four": {11: 0.5, 12: 0.5, 13: 0.7, 14: 0.35},
    "pair-half": {4: 0.9, 8: 0.6},
    "four-half": {15: 0.5, 16: 0.6, 17: 0.7, 18: 0.5},
}


def merged(weights: dict[int, float]) -> Adapter:
    return add([ink(i) for i in weights], list(weights.values()))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("lineage")
    loras = folder / "loras"
    write(loras, {str(i): ink(i) for i in range(CROWD)})
    for name, weights in MERGES.items():
        made = merged(weights)
        write(loras, {name: half_rank(made) if name.endswith("half") else made})
    run = [add([ink(30), ink(200 + k)], [1 + 0.1 * k, 0.4 * k]) for k in (1, 2, 3)]
    steps = [a.with_(metadata={"ss_steps": str(100 * k)}) for k, a in enumerate(run, 1)]
    write(loras, {f"run-{k}": recompress(a, rank=4)[0] for k, a in enumerate(steps)})
    write(loras, {"start": same_start(ink(35), 1), "start too": same_start(ink(35), 2)})
    return library(folder / "library", loras)


def ask(made: Library, name: str) -> Lineage:
    return made.lineage(made.to_arrow(f"path ~ '/{name}.safetensors'")["path"][0].as_py())


def stems(items: object) -> list[str]:
    return [Path(item.path).stem for item in items]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", MERGES)
def test_merges(made: Library, name: str) -> None:
    merge = ask(made, name).merge
    assert merge is not None and merge.complete and merge.exact
    weights = {Path(p.path).stem: p.weight for p in merge.parents}
    assert weights.keys() == {str(i) for i in MERGES[name]}
    for parent, weight in MERGES[name].items():
        assert weights[str(parent)] == pytest.approx(weight, abs=0.01)
    assert (merge.cut > 0.01) == name.endswith("half")
    assert merge.verdict == "sure" and all(p.verdict == "sure" for p in merge.parents)
    assert all(p.low <= MERGES[name][int(Path(p.path).stem)] <= p.high for p in merge.parents)


def test_parents_know_their_children(made: Library) -> None:
    answer = ask(made, "3")
    assert answer.merge is None and stems(answer.children) == ["pair"]
    assert answer.children[0].weight == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("name", ["0", "20", "33"])
def test_no_merge_where_none_is(made: Library, name: str) -> None:
    answer = ask(made, name)
    assert answer.merge is None and not answer.copies and not answer.run and not answer.children


def test_a_run(made: Library) -> None:
    answer = ask(made, "run-0")
    assert set(stems(answer.run)) == {"run-1", "run-2", "30"}
    assert answer.merge is None and not answer.start
    notes = {Path(r.path).stem: r.note for r in answer.run}
    assert "200 steps" in notes["run-1"] and "same run" in notes["30"]


def test_a_common_start(made: Library) -> None:
    answer = ask(made, "start")
    assert set(stems(answer.start)) == {"start too", "35"}
    assert not answer.run and not answer.copies


def test_a_file_outside(made: Library, tmp_path: Path) -> None:
    (path,) = write(tmp_path, {"new": merged({5: 0.7, 6: 0.7})})
    answer = made.lineage(path)
    assert answer.merge is not None and set(stems(answer.merge.parents)) == {"5", "6"}


def test_a_parent_that_is_gone(made: Library, tmp_path: Path) -> None:
    loras = tmp_path / "loras"
    write(loras, {str(i): ink(i) for i in range(25)})
    one = library(tmp_path / "library", loras)
    (path,) = write(tmp_path, {"merge": merged({3: 0.8, 7: 0.5})})
    (loras / "3.safetensors").unlink()
    merge = one.lineage(path).merge
    assert merge is not None and not merge.exact
    weights = {Path(p.path).stem: p.weight for p in merge.parents}
    assert weights == {"3": pytest.approx(0.8, abs=0.05), "7": pytest.approx(0.5, abs=0.05)}


def test_a_parent_that_nobody_knows(made: Library, tmp_path: Path) -> None:
    (path,) = write(tmp_path, {"merge": merged({3: 0.8, 7: 0.8, 999: 0.8})})
    merge = made.lineage(path).merge
    assert (
        merge is not None
        and not merge.complete
        and merge.explained == pytest.approx(2 / 3, abs=0.1)
    )
    assert set(stems(merge.parents)) == {"3", "7"}
    assert all(p.weight == pytest.approx(0.8, abs=0.01) for p in merge.parents)
    assert {p.verdict for p in merge.parents} == {"likely"}


# The regression by itself.


def test_fit_takes_no_strangers() -> None:
    rng = np.random.default_rng(0)
    crowd = rng.standard_normal((500, 1000))
    wrong = sum(len(fit(rng.standard_normal(1000), crowd, 500).chosen) for _ in range(40))
    assert wrong == 0


def test_fit_finds_small_parents_and_signs() -> None:
    rng = np.random.default_rng(1)
    crowd = rng.standard_normal((500, 2000))
    target = 1.0 * crowd[3] - 0.5 * crowd[77] + 0.25 * crowd[200]
    solution = fit(target, crowd, 500)
    assert set(solution.chosen) == {3, 77, 200} and solution.explained > 0.9999
    weights = dict(zip(solution.chosen, solution.weights, strict=True))
    assert weights[77] == pytest.approx(-0.5) and weights[200] == pytest.approx(0.25)


def test_fit_gives_way_to_a_better_one() -> None:
    """A near relative of a parent that was taken first leaves again."""
    rng = np.random.default_rng(2)
    crowd = rng.standard_normal((100, 2000))
    target = crowd[0] + crowd[1]
    decoy = 0.7 * crowd[0] + 0.7 * crowd[1] + 0.3 * rng.standard_normal(2000)
    solution = fit(target, np.vstack([crowd, decoy]), 101)
    assert {0, 1} <= set(solution.chosen) and solution.explained > 0.999


def test_nothing_to_fit() -> None:
    assert fit(np.zeros(10), np.ones((3, 10)), 3).chosen == ()
    assert fit(np.ones(10), np.zeros((0, 10)), 0).chosen == ()
