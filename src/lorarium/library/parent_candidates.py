"""The files that one sum is looked for among: proposed by sketches, a few at a time, and decided on
the equations of the target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lorarium.library.equations import Equations, solve
from lorarium.library.factored import Factored
from lorarium.library.members import Member, Members
from lorarium.library.origin import Origin
from lorarium.library.parents import Source

MORE = 8  # that are added at once
TWIN = 1 - 2e-5  # cosine from which a sum cannot tell two files apart
SIGMAS = 2.0  # of a sketch's chance: what points where something is left


class ParentCandidates:
    """The files that one sum is looked for among: `able` all that may count, `chosen` those that
    the equations know, in their order. Of files that a sum cannot tell apart one stands for all."""

    def __init__(self, members: Members, able: Sequence[Member], equations: Equations) -> None:
        self.members, self.able, self.equations = members, able, equations
        self.units = np.stack([m.unit for m in able])
        self.chosen: list[int] = []
        self.gone = False  # whether a file could not be read

    def places(self, members: Sequence[Member]) -> list[int]:
        paths = {m.path for m in members}
        return [i for i, m in enumerate(self.able) if m.path in paths]

    def add(self, places: Sequence[int]) -> bool:
        """Whether there was anything new."""
        fresh: list[tuple[int, Factored]] = []
        for place in places:
            i = min(self._twins(place), key=self._order)
            known = [*self.chosen, *(j for j, _ in fresh)]
            if np.abs(self.units[known] @ self.units[i]).max(initial=0) >= TWIN:
                continue
            factored = self.members.factored(self.able[i])
            self.gone |= factored is None
            fresh += [(i, factored)] if factored is not None else []
        self.equations.extend([factored for _, factored in fresh])
        self.chosen += [i for i, _ in fresh]
        return bool(fresh)

    def member(self, source: Source) -> Member:
        return self.able[self.chosen[source.index]]

    def rank(self, source: Source) -> float:
        return self.equations.rank(source.index)

    def origin(self, s: Source) -> Origin:
        first = self.chosen[s.index]
        files = [first, *(j for j in self._twins(first) if j != first)]
        instead = [j for i in s.instead for j in self._twins(self.chosen[i])]
        names = [tuple(self.able[i] for i in some) for some in (files, instead)]
        return Origin(names[0], s.weight, s.low, s.high, s.share, s.verdict, instead=names[1])

    def left(self, asked: Member) -> list[int]:
        """Those that point where the best sum of the chosen ones leaves something."""
        everyone = range(len(self.chosen))
        weights = solve(self.equations.grams.sum(axis=0)[None], everyone).weights[0]
        rest = asked.norm * asked.unit.astype(np.float64)
        for weight, i in zip(weights, self.chosen, strict=True):
            rest -= weight * self.able[i].norm * self.units[i]
        size = float(np.linalg.norm(rest)) or 1.0
        scores = np.abs(self.units @ (rest / size))
        scores[self.chosen] = 0
        order = np.argsort(-scores)[:MORE]
        return [int(i) for i in order if scores[i] >= SIGMAS / np.sqrt(len(rest))]

    def _twins(self, i: int) -> list[int]:
        return [int(j) for j in np.flatnonzero(np.abs(self.units @ self.units[i]) >= TWIN)] or [i]

    def _order(self, i: int) -> tuple[bool, int, str]:
        """First the one that tells of its training, then the one that was there first."""
        row = self.able[i].row
        return row.get("steps") is None, int(row.get("modified") or 0), self.able[i].path
