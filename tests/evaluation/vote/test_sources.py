"""What ships today as ballots: halves that stay apart, pictures drawn once."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from lorarium.bases.base import Base, open_base
from lorarium.evaluation.judges import load_judge
from lorarium.evaluation.vote import sources
from lorarium.evaluation.vote.targets import VoteTargets, cell_name, strangers_of, vote_targets
from lorarium.evaluation.vote.verdicts import judge_ballots

HELD = "4f3a22df9d9a437c"  # of the names that were held back before anybody voted


@pytest.fixture(scope="module")
def base() -> Base:
    return open_base()


@pytest.fixture(scope="module")
def everyone(base: Base) -> VoteTargets:
    return vote_targets(base.size)


def test_half_is_held_back_and_stays_so(everyone: VoteTargets) -> None:
    for kind in ("style", "subject"):
        names = [t.name for t in everyone.targets if t.kind == kind]
        assert sum(name in everyone.held for name in names) == len(names) // 2
    names = "\n".join(sorted(everyone.held))
    assert hashlib.sha256(names.encode()).hexdigest()[:16] == HELD


def test_no_merge_is_of_both_halves(everyone: VoteTargets) -> None:
    assert len(everyone.cells) == len(set(map(cell_name, everyone.cells))) == 18
    held = [
        [f"{e.kind}-{e.of[0]}-{e.of[1]}" in everyone.held for e in cell.entries]
        for cell in everyone.cells
    ]
    assert held.count([True, True]) == held.count([False, False]) == 9
    for cell in everyone.cells:
        assert all(path.is_file() for path in cell.paths)


def test_strangers_show_the_same_scenes_by_somebody_else(everyone: VoteTargets) -> None:
    for t in (everyone.targets[0], everyone.targets[-1]):
        pictures = strangers_of(t, everyone.scenes[t.name])
        assert pictures.shape == t.true.shape
        assert all(
            np.abs(a.astype(int) - b).mean() > 1 for a, b in zip(pictures, t.true, strict=True)
        )


def test_pictures_are_drawn_once(tmp_path: Path, base: Base) -> None:
    store = sources.PictureStore(tmp_path, base, 1)
    assert store.get("t", "a row, 3 steps") is None
    store.keep("t", "a row, 3 steps", lambda: np.full((1, 4, 4, 3), 7, np.uint8))
    store.keep("t", "a row, 3 steps", lambda: pytest.fail("drawn again"))
    pictures = store.get("t", "a row, 3 steps")
    assert pictures is not None and (pictures == 7).all()
    with pytest.raises(ZeroDivisionError):
        store.keep("t", "broken", lambda: np.zeros(1 // 0, np.uint8))
    assert store.get("t", "broken") is None


def test_checkpoints_are_of_one_run_and_trained_once(
    tmp_path: Path, base: Base, everyone: VoteTargets
) -> None:
    target, lines = everyone.targets[0], list[str]()
    sources.train(base, [target], tmp_path, 10, lines.append)
    path = sources.adapter_path(tmp_path, target.name, 10)
    assert path.is_file() and len(lines) == 1
    assert not sources.adapter_path(tmp_path, target.name, 30).exists()
    sources.train(base, [target], tmp_path, 10, lines.append)
    assert len(lines) == 1


def test_ballots_and_verdicts_are_of_what_is_drawn(
    tmp_path: Path, base: Base, everyone: VoteTargets
) -> None:
    store = sources.PictureStore(tmp_path, base, 1)
    artist, cell = everyone.targets[0], everyone.cells[0]
    store.keep(artist.name, sources.TRUE, lambda: artist.true)
    store.keep(artist.name, sources.WORDS, lambda: artist.true)
    sources.draw_merged(store, [cell, everyone.cells[1]], [], 2)
    store.keep(cell_name(cell), "sum", lambda: np.zeros((2, 48, 48, 3), np.uint8))
    ballots = {b.target: b for b in sources.ballots(store, everyone)}
    assert set(ballots) == {artist.name, cell_name(cell)}
    merge = ballots[cell_name(cell)]
    controls = {row.source: row.expected for row in merge.rows if row.source != "sum"}
    assert controls == sources.CONTROLS["merge"]
    (subject, _) = cell.entries
    assert merge.held == (f"subject-{subject.of[0]}-{subject.of[1]}" in everyone.held)
    verdicts = judge_ballots("b", load_judge("b"), list(ballots.values())).verdicts
    assert verdicts[artist.name][sources.TRUE] == verdicts[artist.name][sources.WORDS]
    assert len(verdicts[merge.target][sources.OTHER_STYLE]) == 2
    assert not any(verdicts[merge.target][sources.OTHER_STYLE])
