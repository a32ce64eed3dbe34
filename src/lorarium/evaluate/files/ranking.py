"""Files in order of their grades, and which differences can be told.

Grades are paired: the same prompt and the same noise for each file. Prompts and noises are both
drawn anew in the bootstrap, and the intervals hold for all pairs at once (Bonferroni), since the
more files are compared the more of them differ by luck.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lorarium.errors import plain
from lorarium.evaluate.statistics import Interval, two_way_bootstrap

Array = np.ndarray
LEVEL = 0.95
LEAST_CELLS = 8  # pictures of each file below which nothing is told
ROUNDS = 20_000


@dataclass(frozen=True)
class Pair:
    better: str
    worse: str
    difference: Interval
    told: bool


@dataclass(frozen=True)
class Ranking:
    names: tuple[str, ...]  # best first
    means: Mapping[str, float]
    pairs: tuple[Pair, ...]  # every file beside every one below it

    @property
    def leaders(self) -> tuple[str, ...]:
        """The first one and those that cannot be told from it."""
        first = self.names[0]
        told = {p.worse for p in self.pairs if p.better == first and p.told}
        return tuple(name for name in self.names if name not in told)

    @property
    def sentence(self) -> str:
        """What can be said, in words."""
        names = [plain(name) for name in self.names]
        if len(names) == 1:
            return f"only {names[0]} was judged"
        if not any(pair.told for pair in self.pairs):
            return "no difference can be told"
        leaders = [plain(name) for name in self.leaders]
        if len(leaders) == 1:
            return f"{leaders[0]} is the best"
        return (
            f"{leaders[0]} comes first, but no difference can be told to {', '.join(leaders[1:])}"
        )


def rank(grades: Mapping[str, Array], *, seed: int = 0) -> Ranking:
    """`grades` (prompts, noises) of each file."""
    means = {name: float(values.mean()) for name, values in grades.items()}
    names = sorted(grades, key=lambda name: -means[name])
    couples = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    level = 1 - (1 - LEVEL) / max(1, len(couples))
    pairs = [_pair(a, b, grades[a] - grades[b], level, seed) for a, b in couples]
    return Ranking(tuple(names), means, tuple(pairs))


def _pair(better: str, worse: str, differences: Array, level: float, seed: int) -> Pair:
    interval = two_way_bootstrap(differences, seed=seed, rounds=ROUNDS, level=level)
    told = differences.size >= LEAST_CELLS and min(differences.shape) > 1 and interval.low > 0
    return Pair(better, worse, interval, told)


def together(grades: Sequence[Array]) -> Array:
    """One grade of several aspects: the weakest, as a picture must hold in all of them."""
    return np.asarray(np.minimum.reduce(list(grades)))
