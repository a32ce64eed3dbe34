"""Small ballots for tests: every picture is one flat colour of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lorarium.evaluation.vote.answers import Vote, read_key, read_sheets
from lorarium.evaluation.vote.ballots import Array, Ballot, Candidates
from lorarium.evaluation.vote.kinds import KINDS
from lorarium.evaluation.vote.sheets import Json, make_sheets

ROWS = {"true renders": 0, "strangers": 1, "our way": 2}


def flat(*shades: int) -> Array:
    """One picture (n, 8, 8, 3) of each shade."""
    return np.stack([np.full((8, 8, 3), shade, np.uint8) for shade in shades])


def ballot(
    target: str, kind: str = "style", pictures: int = 3, rows: Sequence[str] = tuple(ROWS), *,
    held: bool = False,
) -> Ballot:  # fmt: skip
    expected = dict(zip(ROWS, KINDS[kind].controls, strict=False))
    candidates = tuple(
        Candidates(name, flat(*(10 + 50 * r + 2 * i for i in range(pictures))), expected.get(name))
        for r, name in enumerate(rows)
    )
    references = {name: flat(240, 245) for name in KINDS[kind].references}
    return Ballot(target, kind, references, candidates, held)


def made(
    folder: Path, ballots: Sequence[Ballot], *, seed: int | None = 1, tile: int = 160
) -> tuple[dict[str, Json], dict[str, Json]]:
    """Sheets in folder/sheets and folder/key.json; what is public, and the opened key."""
    make_sheets(ballots, folder / "sheets", folder / "key.json", seed=seed, tile=tile)
    public = read_sheets(folder / "sheets")
    return public, read_key(folder / "key.json", public)


def vote_by(
    key: Mapping[str, Json], voter: str, words: Mapping[str, str], kind: str = "vision model"
) -> list[Vote]:
    """Votes that give each source its word."""
    return [
        Vote(name, voter, kind, {c: words[of["source"]] for c, of in entry["cells"].items()})
        for name, entry in key.items()
    ]
