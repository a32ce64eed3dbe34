"""Origins by the header: what a file or a copy of it says that it was made of, and whether its
weights bear that out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lorarium.library.compare import SAME, SCALED
from lorarium.library.factored import Factored
from lorarium.library.members import Member, Members
from lorarium.library.origin import Origin, Origins
from lorarium.library.parents import SURE, UNKNOWN
from lorarium.library.recent import Recent
from lorarium.library.stated import Statement, repeated, statement

AGREES, REFUTED = 0.95, 0.6  # cosine with what a header says
NAMED = 0.05  # cosine with a parent that a header names
KEPT = 4000  # files whose statements are remembered
ONE_WEIGHT = 0.02  # by how much the weight of a file may miss the one that the header gives


@dataclass(frozen=True)
class Claim:
    """A statement of a merge, the files that it names in its order, and the weights that they have
    then in the file that was asked about; `agrees` is None when it cannot be tried."""

    statement: Statement
    inputs: tuple[tuple[Member, ...], ...]
    weights: tuple[float, ...]
    agrees: bool | None

    @property
    def absent(self) -> int:
        return sum(not files for files in self.inputs)

    @property
    def paths(self) -> set[str]:
        return {m.path for files in self.inputs for m in files}


class Claims:
    """What the headers of a family say."""

    def __init__(self, members: Members) -> None:
        self.members = members
        self._claims: Recent[str, Claim | None] = Recent(KEPT)

    def statement(self, member: Member) -> Statement | None:
        factored = self.members.factored(member)
        return None if factored is None else statement(factored.metadata)

    def claim(self, asked: Member) -> Claim | None:
        """Of the file itself, or of one that is the same but for rounding and strength."""
        if asked.key not in self._claims:
            self._claims[asked.key] = self._claim(asked)
        return self._claims[asked.key]

    def apply(self, asked: Member, fitted: Origins | None) -> Origins | None:
        """What the weights say, with what the header says."""
        claim = self.claim(asked)
        if claim is None:
            return fitted and replace(fitted, claim=self.statement(asked))
        if fitted is not None and fitted.verdict == SURE:
            return self._marked(claim, fitted)
        if claim.agrees is False:
            return fitted and _with_header(fitted, claim, False)
        origins = []
        for place, files in enumerate(claim.inputs):
            if files and (claim.agrees or abs(asked.cosine(files[0])) >= NAMED):
                weight = claim.weights[place] if claim.weights else None
                bounds = (weight, weight) if weight is not None else (-np.inf, np.inf)
                equal = self._equal(files, asked)
                origins.append(Origin(equal, weight, *bounds, 0.0, SURE, said_by_file=True))
        if not origins:
            return fitted and _with_header(fitted, claim, None)
        rest = 0.0 if claim.agrees else 1.0
        by_header = Origins(tuple(origins), rest, 0.0, False, SURE, True)
        return _with_header(by_header, claim, claim.agrees)

    def _marked(self, claim: Claim, fitted: Origins) -> Origins:
        """A sum that fits, with the parents that the header names marked. Where the header names
        an absent file, one that it does not name is that one only at its weight."""
        named = claim.paths
        missing = [w for w, files in zip(claim.weights, claim.inputs, strict=False) if not files]
        origins = []
        for origin in fitted.origins:
            if any(m.path in named for m in origin.files):
                origins.append(replace(origin, said_by_file=True))
            elif claim.absent and not any(_is_about(origin.weight, w) for w in missing):
                origins.append(replace(origin, verdict=UNKNOWN))
            else:
                origins.append(origin)
        complete = all(o.said_by_file for o in origins) and not claim.absent
        verdict = UNKNOWN if any(o.verdict == UNKNOWN for o in origins) else SURE
        fitted = replace(fitted, origins=tuple(origins), verdict=verdict)
        return _with_header(fitted, claim, True if complete else claim.agrees)

    def _claim(self, asked: Member) -> Claim | None:
        target = self.members.factored(asked)
        if target is None:
            return None
        statements = [(statement(target.metadata), 1.0)]
        for copy, relation in self.members.copies(asked):
            if relation.name in (SAME, SCALED):
                statements.append((self.statement(copy), 1 / relation.factor))
        for merge, strength in statements:
            if merge is not None and len(merge.inputs) > 1:
                inputs = tuple(tuple(self.named(mark, asked)) for mark in merge.inputs)
                weights = tuple(strength * w for w in merge.weights)
                return Claim(merge, inputs, weights, self._agrees(target, merge, inputs))
        return None

    def named(self, fingerprint: str, asked: Member) -> list[Member]:
        return [m for m in self.members.with_print(fingerprint) if m.path != asked.path]

    def _equal(self, files: Sequence[Member], asked: Member) -> tuple[Member, ...]:
        """The files, and those that are equal to the first but for rounding and strength."""
        known = {asked.path, *(m.path for m in files)}
        alike = [o for o, r in self.members.copies(files[0]) if r.name in (SAME, SCALED)]
        return (*files, *(o for o in alike if o.path not in known))

    def _agrees(
        self, target: Factored, claim: Statement, inputs: Sequence[Sequence[Member]]
    ) -> bool | None:
        """Whether the inputs, merged again, give the target; None where that cannot be tried."""
        files = [self.members.weights(named[0]) if named else None for named in inputs]
        adapters = [w.adapter for w in files if w is not None]
        if len(adapters) < len(inputs):
            return None
        c = repeated(claim, adapters, target.adapter, target.sample())
        if c is None:
            return None
        return True if c >= AGREES else False if c < REFUTED else None


def _with_header(origins: Origins, claim: Claim, agrees: bool | None) -> Origins:
    return replace(origins, claim=claim.statement, agrees=agrees, absent=claim.absent)


def _is_about(weight: float | None, other: float) -> bool:
    return weight is not None and abs(weight - other) <= ONE_WEIGHT * abs(other)
