"""When is the nearest adapter near? Two rules, both from the library's own scores.

1. *Told from chance.* Take away what all of the library has in common and give the coordinates of
   the rest of the query random signs: what would then be the score of the best match? That is
   nearly normal with a known spread, so a score counts that the best of all adapters reaches with
   a probability of `ALPHA`.
2. *As near as neighbours are here* (conformal, for queries by adapter). In a crowded corner
   strangers come near too, so what counts is how far a score stands above those that its two
   sides have with their other neighbours (cross-domain local scaling, Conneau et al. 2018). Leave
   each of a sample of the library's own adapters out and look for its nearest: the `ALPHA`
   quantile of how those stand is the least that counts. A query that is like the library's own is
   then turned away in at most `ALPHA` of cases, whatever the distribution. For pictures and words
   an encoder may bring such a quantile of plain scores with it (`VectorSpace.thresholds`), from the
   matches it was validated on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from lorarium.adapter import Array

ALPHA = 0.05
FEWEST = 20  # adapters below which neither rule says anything
CROWDED = 100  # below which rule 2 takes scores as they are: few adapters have few neighbours
LEFT_OUT = 100  # adapters left out in turn for a calibration
AROUND_QUERY, AROUND_FOUND = 10, 5  # neighbours that a score is seen among, on either side
TWINS = 8  # looked past on the way to the nearest other
COPY = 0.99  # a twin says nothing about how near others are
TABLE = "calibrations"
ROW = pa.schema(
    {
        "name": pa.string(),
        "count": pa.int64(),
        "nearest": pa.list_(pa.float32()),
        "standings": pa.list_(pa.float32()),
        "mean": pa.list_(pa.float32()),
    }
)


def standing(scores: Array, ours: Array, theirs: Array) -> Array:
    """How scores (..., k) stand, from the query's best scores with its neighbours `ours` (..., m)
    and those of each that it found with theirs (k, m); both sorted, best first."""
    around = ours[..., :AROUND_QUERY].mean(-1)[..., None] + theirs[..., :AROUND_FOUND].mean(-1)
    return 2 * scores - around


@dataclass(frozen=True)
class Calibration:
    """Of left-out adapters with their nearest other: `nearest` are the sorted scores, `standings`
    how they stand, sorted too. `mean` is what the library has in common."""

    count: int
    nearest: Array
    standings: Array
    mean: Array

    def neighbour_threshold(self, ours: Array, theirs: Array) -> float | None:
        """The score from which on rule 2 counts a match with these neighbours; None when too few
        adapters are here to say, and in a small library whatever they are."""
        if self.count < FEWEST:
            return None
        if self.count < CROWDED:
            return _low(self.nearest)
        return float(_low(self.standings) - standing(np.zeros(1), ours, theirs[None])[0]) / 2

    def share(self, score: float) -> float:
        """The share of the library's own adapters whose nearest is farther than this."""
        return float(np.searchsorted(self.nearest, score) / max(1, len(self.nearest)))


def _low(values: Array) -> float:
    """The `ALPHA` quantile of sorted values, as conformal prediction takes it."""
    return float(values[max(0, int(np.floor(ALPHA * (len(values) + 1))) - 1)])


class Near(Protocol):
    @property
    def ids(self) -> list[str]: ...

    @property
    def scores(self) -> Array: ...

    @property
    def vectors(self) -> Mapping[str, Array]: ...


Search = Callable[[Sequence[Array], int], Iterable[Near]]  # of each of several vectors


def neighbours(near: Near, count: int) -> list[int]:
    """Places of the best `count` that a library's adapter found, itself and its twins left out."""
    return [i for i, score in enumerate(near.scores) if score < COPY][:count]


def around(near: Near, count: int) -> Array:
    """Scores with the neighbours of whoever found these; copies alone stand for themselves."""
    return near.scores[neighbours(near, count) or slice(1)]


def calibrate(sample: Iterable[Array], count: int, nearest: Search, glance: Search) -> Calibration:
    """From unit vectors of some of the library's `count` adapters, looked at one by one; `nearest`
    is its search for several, and `glance` a faster one that need not be exact."""
    best_scores, standings = [], []
    left_out: list[Array] = []
    total, seen = np.zeros(1), 0
    for vector in sample:
        total, seen = total + vector, seen + 1
        if len(left_out) < LEFT_OUT:
            left_out.append(vector)
    around_each, firsts = [], []  # scores with neighbours; the vector of the first of them
    for near in nearest(left_out, AROUND_QUERY + TWINS):
        others = neighbours(near, AROUND_QUERY)
        ours = near.scores[others]
        best_scores.append(float(ours[0]) if others else COPY)
        if others:
            around_each.append(ours)
            firsts.append(near.vectors[near.ids[others[0]]].copy())  # a part holds the whole
    glances = glance(firsts, AROUND_FOUND + TWINS)
    for ours, near in zip(around_each, glances, strict=True):
        theirs = around(near, AROUND_FOUND)
        standings.append(float(standing(ours[:1], ours, theirs[None])[0]))
    ordered = np.sort(np.array(best_scores)), np.sort(np.array(standings or [COPY]))
    return Calibration(count, *ordered, (total / seen).astype(np.float32))


def to_row(name: str, calibration: Calibration) -> dict[str, Any]:
    return {"name": name, **vars(calibration)}


def from_rows(table: pa.Table) -> dict[str, Calibration]:
    """By name of the space's table."""
    calibrations = {}
    for row in table.to_pylist():
        ordered = np.array(row["nearest"]), np.array(row["standings"])
        mean = np.array(row["mean"], np.float32)
        calibrations[row["name"]] = Calibration(row["count"], *ordered, mean)
    return calibrations


def chance(query: Array, match: Array, mean: Array, count: int) -> float | None:
    """Rule 1: the score with `match` that the best of `count` strangers reaches with probability
    `ALPHA`; all are vectors (d,), `mean` that of the library."""
    if count < FEWEST:
        return None
    spread = float(np.linalg.norm((query - mean) * match))
    return float(mean @ match) + NormalDist().inv_cdf(1 - ALPHA / count) * spread
