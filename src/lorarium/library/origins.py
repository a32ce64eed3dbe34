"""What one file was made of: by its weights, and by what it says of itself.

Candidates come from the sketches, a few at a time: those that point the same way, those that a
sparse regression picks, and those that point where the last sum left something.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lorarium.adapter import Array
from lorarium.descriptors.sketch import input_similarity
from lorarium.library import merges
from lorarium.library.compare import CUT, SAME, SCALED, Relation
from lorarium.library.equations import Equations, solve
from lorarium.library.factored import Factored
from lorarium.library.members import Member, Members
from lorarium.library.parents import (
    LIKELY,
    ROUNDING,
    SURE,
    UNKNOWN,
    Explanation,
    Source,
    explain,
)
from lorarium.library.stated import Statement, repeated, statement

FIRST, MORE, ROUNDS, MOST = 16, 8, 3, 40  # candidates
TWIN = 1 - 2e-5  # cosine from which a sum cannot tell two files apart
SIGMAS = 2.0  # of a sketch's chance: what points where something is left
AGREES, REFUTED = 0.95, 0.6  # cosine with what a header says
COUNTS = 0.12  # cosine with a possible parent: strangers have less in common
CHANCE = 0.02  # cosine that two strangers may have
ALONE = 0.3  # cosine with the only possible parent
ONE_START = 0.9  # cosine on the input side of files of one run
BESIDE = 0.5  # cosine with a merge from which a file has to do with it
NAMED = 0.05  # cosine with a parent that a header names
NEARLY = 0.995  # share of the energy that a sum explains, where sketches are all there is


@dataclass(frozen=True)
class Origin:
    """A parent: the files that may be it (equal but for rounding and strength, the likeliest
    first), the weight and its interval, and other files that would do as well."""

    files: tuple[Member, ...]
    weight: float | None
    low: float
    high: float
    share: float
    verdict: str
    said_by_file: bool = False
    instead: tuple[Member, ...] = ()


@dataclass(frozen=True)
class Origins:
    """`claim` is the header's statement, `agrees` whether the weights bear it out (None when that
    cannot be told), `absent` how many of its inputs are not here; `via` the file that the target
    was cut from and has its origins through."""

    origins: tuple[Origin, ...]
    rest: float
    cut: float
    varies: bool
    verdict: str
    exact: bool
    claim: Statement | None = None
    agrees: bool | None = None
    absent: int = 0
    via: Member | None = None

    @property
    def paths(self) -> set[str]:
        return {m.path for o in self.origins for m in o.files}


class Searcher:
    """Finds origins, each once."""

    def __init__(self, members: Members) -> None:
        self.members = members
        self._known: dict[str, Origins | None] = {}
        self._solved: dict[str, Origins | None] = {}

    def origins(self, asked: Member) -> Origins | None:
        """What is known of them, or else what is possible."""
        key = _key(asked)
        if key not in self._known:
            solved = self.solved(asked)
            self._known[key] = solved if solved is not None else self._possible(asked)
        return self._known[key]

    def solved(self, asked: Member) -> Origins | None:
        """What weights or header say for themselves."""
        key = _key(asked)
        if key not in self._solved:
            self._solved[key] = None  # for two that were cut from each other
            self._solved[key] = self._solve(asked)
        return self._solved[key]

    def copies(self, asked: Member) -> list[tuple[Member, Relation]]:
        """Everything that is one adapter with it, or nearly, and how."""
        others = self.members.around(asked)
        relations = [(other, self.members.relation(asked, other)) for other in others]
        return [(other, relation) for other, relation in relations if relation is not None]

    def _solve(self, asked: Member) -> Origins | None:
        copies = self.copies(asked)
        target = self.members.factored(asked)
        if target is None:
            return None
        own_claim = statement(target.metadata)
        fuller = [(o, r) for o, r in copies if r.name == CUT and r.cut == "a"]
        if fuller:
            return self._inherited(asked, fuller, own_claim)
        claims = [own_claim] if own_claim else []
        claims += [
            s for o, r in copies if r.name in (SAME, SCALED) and (s := self._statement_of(o))
        ]
        claim = next((s for s in claims if len(s.inputs) > 1), None)
        claimed = [
            f[0] for mark in (claim.inputs if claim else ()) if (f := self._named(mark, asked))
        ]
        fitted = self._fitted(asked, target, copies, claimed)
        if claim is None:
            return fitted and replace(fitted, claim=own_claim)
        return self._with_claim(asked, target, claim, fitted)

    def _statement_of(self, member: Member) -> Statement | None:
        factored = self.members.factored(member)
        return None if factored is None else statement(factored.metadata)

    def _named(self, mark: str, asked: Member) -> list[Member]:
        return [m for m in self.members.with_print(mark) if m.path != asked.path]

    def _inherited(
        self, asked: Member, fuller: Sequence[tuple[Member, Relation]], own_claim: Statement | None
    ) -> Origins | None:
        """The origins of what it was cut from, at its strength."""
        for original, relation in sorted(fuller, key=lambda item: -item[0].rank):
            origins = self.origins(original)
            if origins is not None:
                factor = 1 / relation.factor
                scaled = tuple(_scaled(o, factor) for o in origins.origins)
                return replace(origins, origins=scaled, via=original, claim=own_claim, agrees=None)
        return None

    # by the weights

    def _fitted(
        self,
        asked: Member,
        target: Factored,
        copies: Sequence[tuple[Member, Relation]],
        claimed: Sequence[Member],
    ) -> Origins | None:
        able = self._able(asked, copies)
        able = [m for m in able if abs(asked.cosine(m)) < TWIN]
        if not able or not target.sample():
            return None
        pool = Pool(self.members, able, Equations(target))
        near = np.argsort(-np.abs(pool.units @ asked.unit))[:FIRST].tolist()
        picked = merges.fit(asked.sketch.product, pool.units, self.members.product.count).chosen
        pool.add([*pool.places(claimed), *near, *picked])
        explanation = None
        for _ in range(ROUNDS):
            explanation = explain(pool.equations, range(len(pool.chosen)))
            if explanation is not None and explanation.rest <= ROUNDING:
                break
            if len(pool.chosen) >= MOST or not pool.add(pool.left(asked)):
                break
        if explanation is not None:
            explanation = self._by_originals(asked, pool, explanation)
        sketched = None
        if explanation is None or explanation.rest > ROUNDING:
            sketched = self._by_sketches(asked, pool)
        if sketched is not None:
            return sketched
        if explanation is None or not (
            explanation.rest <= ROUNDING or len(explanation.sources) > 1
        ):
            lies_in = explanation is not None and pool.equations.rank(-1) > pool.rank(
                explanation.sources[0]
            )
            if explanation is None or not lies_in:
                return None
        made = tuple(pool.origin(s) for s in explanation.sources)
        return Origins(
            made, explanation.rest, explanation.cut, explanation.varies, explanation.verdict, True
        )

    def _able(self, asked: Member, copies: Sequence[tuple[Member, Relation]]) -> list[Member]:
        """What it may have been made of: not its copies, nor what was cut from it or from one."""
        same = [other for other, r in copies if r.name in (SAME, SCALED)]
        out = {other.path for other, r in copies if r.name in (SAME, SCALED) or r.cut == "b"}
        for copy in same:
            out |= {other.path for other, r in self.copies(copy) if r.cut == "b"}
        return [m for m in self.members.around(asked) if m.path not in out and m.norm]

    def _by_originals(
        self, asked: Member, pool: Pool, explanation: Explanation
    ) -> Explanation | None:
        """The same sum without files that are merges themselves, if that does as well; and without
        those that the target is a parent of."""
        derived, born = [], []
        for source in explanation.sources:
            own = self.solved(pool.able[pool.chosen[source.index]])
            if own is None or own.verdict == UNKNOWN:
                continue
            if asked.path in own.paths:
                born.append(source.index)
            elif own.exact and own.verdict == SURE and len(own.origins) > 1:
                derived.append(source.index)
                pool.add(pool.places([o.files[0] for o in own.origins]))
        if derived or born:
            others = [i for i in range(len(pool.chosen)) if i not in (*derived, *born)]
            better = explain(pool.equations, others)
            if born and better is None:
                return None
            if better is not None and (born or better.rest <= ROUNDING):
                explanation = better
        return self._without_stand_ins(pool, explanation)

    def _without_stand_ins(self, pool: Pool, explanation: Explanation) -> Explanation:
        """A merge of an absent file with another parent stands for the absent one as well as for
        itself: N = X + L explains what was made of X and L. Which of them it was cannot be told."""
        files = {s.index: {m.path for m in pool.origin(s).files} for s in explanation.sources}
        sources = []
        for s in explanation.sources:
            parents = self._parents(pool.able[pool.chosen[s.index]])
            others = set().union(*(paths for i, paths in files.items() if i != s.index))
            doubtful = bool(parents & others)
            sources.append(replace(s, verdict=UNKNOWN) if doubtful else s)
        verdict = UNKNOWN if any(s.verdict == UNKNOWN for s in sources) else explanation.verdict
        return replace(explanation, sources=tuple(sources), verdict=verdict)

    def _parents(self, member: Member) -> set[str]:
        """What it was made of, by its header where it is just being solved itself."""
        own = self.solved(member)
        if own is not None:
            return own.paths
        own_claim = self._statement_of(member)
        marks = own_claim.inputs if own_claim is not None and len(own_claim.inputs) > 1 else ()
        return {m.path for mark in marks for m in self._named(mark, member)}

    def _by_sketches(self, asked: Member, pool: Pool) -> Origins | None:
        """The sum that sketches see when a file that may be a parent is gone."""
        if not pool.gone:
            return None
        fit = merges.fit(asked.sketch.product, pool.units, self.members.product.count)
        files = [pool.able[i] for i in fit.chosen]
        if len(files) < 2 or fit.explained < NEARLY:
            return None
        made = []
        for weight, m in zip(fit.weights, files, strict=True):
            noise = float(np.sqrt((1 - fit.explained) / len(asked.unit)))
            off, w = 4 * asked.norm / m.norm * noise + 0.01, float(weight) / m.norm
            share = (w * m.norm / asked.norm) ** 2
            made.append(Origin((m,), w, w - off, w + off, share, LIKELY))
        return Origins(tuple(made), 1 - fit.explained, 0.0, False, LIKELY, False)

    def _possible(self, asked: Member) -> Origins | None:
        """Trainings come near their own run and what was made of them. What comes near several
        that have nothing in common, to one of another form, or to a merge that it is no parent of,
        was made of something; of what cannot be told."""
        copies = self.copies(asked)
        if any(r.name == CUT and r.cut == "a" for _, r in copies):
            return None
        able = self._able(asked, copies)
        units = np.stack([m.unit for m in able]) if able else np.zeros((0, 1))
        near = np.abs(units @ asked.unit) if able else np.zeros(0)
        trained, merged = [], []
        for i in map(int, np.argsort(-near)[:MOST]):
            own = self.solved(able[i]) if near[i] >= COUNTS else None
            if own is not None and asked.path not in own.paths:
                merged.append(i)
            elif own is None and near[i] >= COUNTS and not self._is_cut(able[i]):
                trained.append(i)
        apart = _apart(trained, units, near)
        alone = [i for i in apart if near[i] >= ALONE and _holds_more(asked, able[i])]
        beside = [i for i in merged if near[i] >= max(BESIDE, near[trained].max(initial=0))]
        strong = [i for i in apart if near[i] >= ALONE]
        chosen = apart if len(apart) > 1 else alone or (beside and [*strong, beside[0]])
        if not chosen:
            return None
        made = []
        for i in chosen:
            same = np.flatnonzero(np.abs(units @ units[i]) >= TWIN)
            files = (able[i], *(able[j] for j in same if j != i))
            made.append(Origin(files, None, -np.inf, np.inf, float(near[i]) ** 2, UNKNOWN))
        origins = tuple(made)
        rest = max(0.0, 1 - sum(o.share for o in origins))
        return Origins(origins, rest, 0.0, False, UNKNOWN, False)

    def _is_cut(self, member: Member) -> bool:
        return any(r.name == CUT and r.cut == "a" for _, r in self.copies(member))

    # by the header

    def _with_claim(
        self, asked: Member, target: Factored, claim: Statement, fitted: Origins | None
    ) -> Origins | None:
        inputs = [self._named(mark, asked) for mark in claim.inputs]
        absent = sum(not files for files in inputs)
        agrees = self._agrees(target, claim, inputs)
        named = {m.path for files in inputs for m in files}
        if fitted is not None and fitted.verdict == SURE:
            marked = tuple(
                replace(o, said_by_file=any(m.path in named for m in o.files))
                for o in fitted.origins
            )
            agrees = True if all(o.said_by_file for o in marked) and not absent else agrees
            return replace(fitted, origins=marked, claim=claim, agrees=agrees, absent=absent)
        if agrees is False:
            return fitted and replace(fitted, claim=claim, agrees=False, absent=absent)
        made = []
        for place, files in enumerate(inputs):
            if files and (agrees or abs(asked.cosine(files[0])) >= NAMED):
                weight = claim.weights[place] if claim.weights else None
                bounds = (weight, weight) if weight is not None else (-np.inf, np.inf)
                made.append(
                    Origin(self._equal(files, asked), weight, *bounds, 0.0, SURE, said_by_file=True)
                )
        if not made:
            return replace(fitted, claim=claim, absent=absent) if fitted else None
        rest = 0.0 if agrees else 1.0
        return Origins(tuple(made), rest, 0.0, False, SURE, True, claim, agrees, absent)

    def _equal(self, files: Sequence[Member], asked: Member) -> tuple[Member, ...]:
        """The files, and those that are equal to the first but for rounding and strength."""
        known = {asked.path, *(m.path for m in files)}
        alike = [o for o, r in self.copies(files[0]) if r.name in (SAME, SCALED)]
        return (*files, *(o for o in alike if o.path not in known))

    def _agrees(
        self, target: Factored, claim: Statement, inputs: Sequence[Sequence[Member]]
    ) -> bool | None:
        """Whether the inputs, merged again, give the target; None where that cannot be tried."""
        files = [self.members.weights(members[0]) if members else None for members in inputs]
        adapters = [w.adapter for w in files if w is not None]
        if len(adapters) < len(inputs):
            return None
        c = repeated(claim, adapters, target.adapter, target.sample())
        if c is None:
            return None
        return True if c >= AGREES else False if c < REFUTED else None


def _key(member: Member) -> str:
    return str(member.row["id"] or member.path)


def _holds_more(a: Member, b: Member) -> bool:
    """Whether one run cannot have left both, and `a` has the form of what was made of `b`."""
    more = a.rank > b.rank or a.row["modules"] > b.row["modules"]
    return more and input_similarity(a.sketch, b.sketch) < ONE_START


def _apart(places: Sequence[int], units: Array, near: Array) -> list[int]:
    """Those that have less to do with each other than two files have that both were made of the
    one that they are near to."""
    unrelated: list[int] = []
    for i in places:
        by_way = near[unrelated] * near[i] / 2
        if (by_way > CHANCE).all() and (np.abs(units[unrelated] @ units[i]) < by_way).all():
            unrelated.append(i)
    return unrelated


def _scaled(origin: Origin, factor: float) -> Origin:
    if origin.weight is None:
        return origin
    low, high = sorted((origin.low * factor, origin.high * factor))
    return replace(origin, weight=origin.weight * factor, low=low, high=high)


class Pool:
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
        rest = asked.sketch.product.astype(np.float64)
        for weight, i in zip(weights, self.chosen, strict=True):
            rest = rest - weight * self.able[i].sketch.product
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
