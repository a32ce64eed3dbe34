"""When is the nearest adapter near? Two rules, both from the library's own scores.

1. *Told from chance.* Take away what all of the library has in common and give the coordinates of
   the rest of the query random signs: what would then be the score of the best match? That is
   nearly normal with a known spread, so a score counts that the best of all adapters reaches with
   a probability of `ALPHA`.
2. *As near as neighbours are here* (conformal, for queries by adapter). Leave each of a sample of
   the library's own adapters out and look for its nearest: the `ALPHA` quantile of those scores is
   the least that counts. A query that is like the library's own is then turned away in at most
   `ALPHA` of cases, whatever the distribution. For pictures and words an encoder may bring such a
   quantile with it (`Encoder.least`), from the matches it was validated on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from lorarium.adapter import Array

ALPHA = 0.05
FEWEST = 20  # adapters below which neither rule says anything
LEFT_OUT = 100  # adapters left out in turn for a calibration
TWINS = 8  # looked past on the way to the nearest other
COPY = 0.99  # a twin says nothing about how near others are
TABLE = "calibration"
ROW = pa.schema(
    {
        "name": pa.string(),
        "count": pa.int64(),
        "nearest": pa.list_(pa.float32()),
        "mean": pa.list_(pa.float32()),
    }
)


@dataclass(frozen=True)
class Calibration:
    """`nearest` are sorted scores of left-out adapters with their nearest other; `mean` is what
    the library has in common."""

    count: int
    nearest: Array
    mean: Array

    @property
    def usual(self) -> float | None:
        """Rule 2, None when too few adapters are here."""
        n = len(self.nearest)
        if self.count < FEWEST:
            return None
        return float(self.nearest[max(0, int(np.floor(ALPHA * (n + 1))) - 1)])

    def share(self, score: float) -> float:
        """The share of the library's own adapters whose nearest is farther than this."""
        return float(np.searchsorted(self.nearest, score) / max(1, len(self.nearest)))


class Near(Protocol):
    @property
    def scores(self) -> Array: ...


def calibrate(sample: Array, count: int, nearest: Callable[[Array, int], Near]) -> Calibration:
    """From unit vectors of some of the library's `count` adapters; `nearest` is its search."""
    found = []
    for vector in sample[:LEFT_OUT]:
        scores = nearest(vector, TWINS).scores
        others = scores[scores < COPY]  # not itself, nor its twins
        found.append(others[0] if len(others) else COPY)
    return Calibration(count, np.sort(np.array(found)), sample.mean(axis=0))


def to_row(name: str, made: Calibration) -> dict[str, Any]:
    return {"name": name, "count": made.count, "nearest": made.nearest, "mean": made.mean}


def from_rows(table: pa.Table) -> dict[str, Calibration]:
    """By name of the space's table."""
    return {
        row["name"]: Calibration(
            row["count"], np.array(row["nearest"]), np.array(row["mean"], np.float32)
        )
        for row in table.to_pylist()
    }


def chance(query: Array, found: Array, mean: Array, count: int) -> float | None:
    """Rule 1: the score with `found` that the best of `count` strangers reaches with probability
    `ALPHA`; all are vectors (d,), `mean` that of the library."""
    if count < FEWEST:
        return None
    spread = float(np.linalg.norm((query - mean) * found))
    return float(mean @ found) + NormalDist().inv_cdf(1 - ALPHA / count) * spread
