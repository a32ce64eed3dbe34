"""What a file may have been made of: among very many, some come near by chance."""

from __future__ import annotations

import numpy as np
import pytest

from lorarium.formats import write
from lorarium.formats.example import example
from lorarium.library import Library
from lorarium.library.calibrate import chance
from lorarium.library.members import Member, Members
from lorarium.library.origin import Origins
from lorarium.library.possible import COUNTS, possible_origins


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Members:
    folder = tmp_path_factory.mktemp("strangers")
    for i in range(30):
        write(example(family="micro-1", seed=i, rank=2), folder / f"{i}.safetensors", "kohya")
    library = Library(folder / "library")
    library.index(folder, workers=0)
    return Members(library.snapshot, "micro-1")


def test_chance_grows_with_the_library(members: Members) -> None:
    a, b = _all(members)[:2]
    known = members.product.calibration
    assert known is not None
    floors = [chance(a.unit, b.unit, known.mean, n) for n in (30, 3000, 300_000)]
    assert members.chance(a, b) == floors[0]
    assert sorted(floors) == floors and floors[0] < floors[-1]


def test_whom_chance_brings_near_is_not_looked_into(members: Members) -> None:
    asked, other = _all(members)[:2]
    near = _beside(asked, other, 0.2)
    looked: list[str] = []

    def solved(member: Member) -> Origins | None:
        looked.append(member.path)
        return None

    for floor, expected in ((0.0, [near.path]), (0.19, [near.path]), (0.21, [])):
        looked.clear()
        assert abs(asked.cosine(near)) == pytest.approx(0.2, abs=0.01) and COUNTS < 0.2
        possible_origins(asked, [near], solved, lambda member: False, lambda a, b, f=floor: f)
        assert looked == expected


def _all(members: Members) -> list[Member]:
    return members.of_ids(members.product.ids)


def _beside(asked: Member, other: Member, cosine: float) -> Member:
    """A member at this cosine from the one that is asked about."""
    apart = other.unit - (other.unit @ asked.unit) * asked.unit
    vector = cosine * asked.unit + np.sqrt(1 - cosine**2) * apart / np.linalg.norm(apart)
    sketch = other.sketch._replace(unit=vector.astype(np.float32))
    return Member(other.row, lambda: sketch)
