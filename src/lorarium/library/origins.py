"""What one file was made of: by its weights, and by what it says of itself.

Candidates come from the sketches, a few at a time: those that point the same way, those that a
sparse regression picks, and those that point where the last sum left something.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from lorarium.library import merges
from lorarium.library.claims import Claims
from lorarium.library.compare import CUT, SAME, SCALED, Relation
from lorarium.library.equations import Equations
from lorarium.library.members import Member, Members
from lorarium.library.origin import Origin, Origins, scaled
from lorarium.library.parent_candidates import TWIN, ParentCandidates
from lorarium.library.parents import LIKELY, ROUNDING, SURE, UNKNOWN, Explanation, explain
from lorarium.library.possible import possible_origins
from lorarium.library.recent import Recent

FIRST, ROUNDS, MOST = 16, 3, 40  # candidates
KEPT = 4000  # files whose answers are remembered
NEARLY = 0.995  # share of the energy that a sum explains, where sketches are all there is

Fit = tuple[ParentCandidates, Explanation | None]
Step = Callable[[Member], Origins | None]


class Searcher:
    """Finds origins in three steps, each answer once: `alone`, by weights and header of a file;
    `solved`, also by what the files of its sum are alone; `origins`, or else what is possible.

    A step asks other files for earlier steps only. So there is no circle to be cut short, and no
    answer depends on which file was asked about first.
    """

    def __init__(self, members: Members) -> None:
        self.members = members
        self.claims = Claims(members)
        self._answers: Recent[tuple[str, str], Origins | None] = Recent(3 * KEPT)
        self._cut_from: Recent[str, list[tuple[Member, float]]] = Recent(KEPT)
        self._last_fit: tuple[str, Fit | None] = ("", None)  # large: one is held

    def origins(self, asked: Member) -> Origins | None:
        """What is known of them, or else what is possible."""
        return self._once(self._find_known_or_possible, asked)

    def solved(self, asked: Member) -> Origins | None:
        """What weights or header say, by originals where other files say what those are."""
        return self._once(self._solve, asked)

    def alone(self, asked: Member) -> Origins | None:
        """What weights or header say for themselves."""
        return self._once(self._solve_alone, asked)

    def _once(self, step: Step, asked: Member) -> Origins | None:
        key = step.__name__, asked.key
        if key not in self._answers:
            wholes = self._wholes(asked)
            answer = self._inherited(step, asked, wholes) if wholes else step(asked)
            self._answers[key] = answer
        return self._answers[key]

    def _inherited(
        self, step: Step, asked: Member, wholes: Sequence[tuple[Member, float]]
    ) -> Origins | None:
        """The origins of what it was cut from, at its strength."""
        for whole, factor in wholes:
            answer = self._once(step, whole)
            if answer is not None:
                parents = tuple(scaled(o, factor) for o in answer.origins)
                header = self.claims.statement(asked)
                return replace(answer, origins=parents, via=whole, claim=header, agrees=None)
        return None

    def _wholes(self, asked: Member) -> list[tuple[Member, float]]:
        """The files that it was cut from and that were cut from none, of the highest rank first,
        with its strength beside theirs."""
        if asked.key not in self._cut_from:
            wholes, front, seen = [], [(asked, 1.0)], {asked.path}
            while front:
                member, factor = front.pop(0)
                above = [(o, r) for o, r in self.members.copies(member) if _is_cut_from(r)]
                if not above and member is not asked:
                    wholes.append((member, factor))
                front += [(o, factor / r.factor) for o, r in above if o.path not in seen]
                seen |= {o.path for o, _ in above}
            self._cut_from[asked.key] = sorted(wholes, key=lambda item: -item[0].rank)
        return self._cut_from[asked.key]

    # the steps

    def _solve_alone(self, asked: Member) -> Origins | None:
        fit = self._fit(asked)
        return self.claims.apply(asked, None if fit is None else self._to_origins(asked, *fit))

    def _solve(self, asked: Member) -> Origins | None:
        first = self.alone(asked)
        fit = None if first is None else self._fit(asked)
        if first is None or fit is None or not self._has_derived_parent(first):
            return first
        pool, explanation = fit
        if explanation is not None:
            explanation = self._by_originals(asked, pool, explanation)
        if explanation is not None:
            explanation = self._without_stand_ins(pool, explanation)
        return self.claims.apply(asked, self._to_origins(asked, pool, explanation))

    def _find_known_or_possible(self, asked: Member) -> Origins | None:
        known = self.solved(asked)
        if known is not None:
            return known
        return possible_origins(
            asked, self._able(asked), self.solved, lambda member: bool(self._wholes(member)),
            self.members.chance,
        )  # fmt: skip

    # by the weights

    def _fit(self, asked: Member) -> Fit | None:
        """The best sum, and the candidates that it was found among."""
        if self._last_fit[0] != asked.key:
            self._last_fit = "", None  # goes before the next one is made
            self._last_fit = asked.key, self._fit_sum(asked)
        return self._last_fit[1]

    def _fit_sum(self, asked: Member) -> Fit | None:
        target = self.members.factored(asked)
        able = [m for m in self._able(asked) if abs(asked.cosine(m)) < TWIN]
        if target is None or not able or not target.sample():
            return None
        claim = self.claims.claim(asked)
        claimed = [files[0] for files in claim.inputs if files] if claim else []
        pool = ParentCandidates(self.members, able, Equations(target))
        near = np.argsort(-np.abs(pool.units @ asked.unit))[:FIRST].tolist()
        picked = merges.fit(asked.unit, pool.units, self.members.product.count).chosen
        pool.add([*pool.places(claimed), *near, *picked])
        explanation = None
        for _ in range(ROUNDS):
            explanation = explain(pool.equations, range(len(pool.chosen)))
            if explanation is not None and explanation.rest <= ROUNDING:
                break
            if len(pool.chosen) >= MOST or not pool.add(pool.left(asked)):
                break
        return pool, explanation

    def _able(self, asked: Member) -> list[Member]:
        """What it may have been made of: not its copies, nor what was cut from it or from one."""
        copies = self.members.copies(asked)
        same = [other for other, r in copies if r.name in (SAME, SCALED)]
        out = {other.path for other in same} | {other.path for other, r in copies if r.cut == "b"}
        for copy in same:
            out |= {other.path for other, r in self.members.copies(copy) if r.cut == "b"}
        return [m for m in self.members.around(asked) if m.path not in out and m.norm]

    def _to_origins(
        self, asked: Member, pool: ParentCandidates, explanation: Explanation | None
    ) -> Origins | None:
        """The sum as origins, or the one that sketches see where a file is gone; None when it is
        no better than one parent at another strength."""
        if explanation is None or explanation.rest > ROUNDING:
            sketched = self._by_sketches(asked, pool)
            if sketched is not None:
                return sketched
        if explanation is None:
            return None
        sources = explanation.sources
        if explanation.rest > ROUNDING and len(sources) < 2:
            if pool.equations.rank(-1) <= pool.rank(sources[0]):
                return None
        e = explanation
        return Origins(tuple(map(pool.origin, sources)), e.rest, e.cut, e.varies, e.verdict, True)

    def _by_sketches(self, asked: Member, pool: ParentCandidates) -> Origins | None:
        """The sum that sketches see when a file that may be a parent is gone."""
        if not pool.gone:
            return None
        fit = merges.fit(asked.unit, pool.units, self.members.product.count)
        files = [pool.able[i] for i in fit.chosen]
        if len(files) < 2 or fit.explained < NEARLY:
            return None
        parents = []
        for weight, m in zip(fit.weights, files, strict=True):
            noise = float(np.sqrt((1 - fit.explained) / len(asked.unit)))
            off, w = 4 * asked.norm / m.norm * noise + 0.01, float(weight) * asked.norm / m.norm
            share = (w * m.norm / asked.norm) ** 2
            parents.append(Origin((m,), w, w - off, w + off, share, LIKELY))
        return Origins(tuple(parents), 1 - fit.explained, 0.0, False, LIKELY, False)

    # by what other files are

    def _has_derived_parent(self, first: Origins) -> bool:
        """Whether a parent has parents itself."""
        parents = [origin.files[0] for origin in first.origins]
        return any(self.alone(m) is not None or self.claims.claim(m) for m in parents)

    def _by_originals(
        self, asked: Member, pool: ParentCandidates, explanation: Explanation
    ) -> Explanation | None:
        """The same sum without files that the target is a parent of; and without those that are
        merges themselves or may have been made of the target, if that does as well."""
        same = [o.path for o, r in self.members.copies(asked) if r.name in (SAME, SCALED)]
        target, out = {asked.path, *same}, set[int]()
        while True:
            children, reversible, derived = set[int](), set[int](), set[int]()
            for source in explanation.sources:
                origins = self.alone(pool.member(source))
                if origins is None:
                    continue
                is_child = _is_child(origins, target, explanation)
                if is_child is None:
                    reversible.add(source.index)
                elif is_child:
                    children.add(source.index)
                elif _is_whole(origins) and len(origins.origins) > 1:
                    derived.add(source.index)
                    pool.add(pool.places([o.files[0] for o in origins.origins]))
            excluded = children or derived | reversible
            if not excluded:
                return explanation
            able = [i for i in range(len(pool.chosen)) if i not in out | excluded]
            better = explain(pool.equations, able)
            if children and better is None:
                return None
            if better is None or not (children or better.rest <= ROUNDING):
                return _unknown(explanation) if reversible else explanation
            explanation, out = better, out | excluded

    def _without_stand_ins(self, pool: ParentCandidates, explanation: Explanation) -> Explanation:
        """A merge of an absent file with another parent stands for the absent one as well as for
        itself: N = X + L explains what was made of X and L, or of X alone, where L takes away what
        N has too much. Which of them went in cannot be told, of N nor of L."""
        files = {s.index: {m.path for m in pool.origin(s).files} for s in explanation.sources}
        doubtful: set[int] = set()
        for source in explanation.sources:
            parents = self._unsure_parents(pool.member(source))
            shared = {i for i, paths in files.items() if i != source.index and parents & paths}
            doubtful |= {source.index, *shared} if shared else set()
        return _unknown(explanation, doubtful)

    def _unsure_parents(self, member: Member) -> set[str]:
        """What it was made of, by weights or header, unless that is all that it was made of."""
        origins, claim = self.alone(member), self.claims.claim(member)
        if origins is not None and _is_whole(origins) and not origins.absent:
            return set()
        return (origins.paths if origins else set()) | (claim.paths if claim else set())


def _is_cut_from(relation: Relation) -> bool:
    return relation.name == CUT and relation.cut == "a"


def _is_whole(origins: Origins) -> bool:
    return origins.exact and origins.verdict == SURE and origins.rest <= ROUNDING


def _is_child(origins: Origins, target: set[str], explanation: Explanation) -> bool | None:
    """Whether a file that the target's sum is of was made of the target itself, by its origins;
    None when the one is as good as the other."""
    if not target & origins.paths:
        return False
    if any(o.said_by_file and target & {m.path for m in o.files} for o in origins.origins):
        return True
    if explanation.verdict == SURE and origins.rest > ROUNDING:
        return False
    return True if origins.verdict == SURE != explanation.verdict else None


def _unknown(explanation: Explanation, doubtful: set[int] | None = None) -> Explanation:
    """With some parents, or all, that cannot be told."""
    sources = tuple(
        replace(s, verdict=UNKNOWN) if doubtful is None or s.index in doubtful else s
        for s in explanation.sources
    )
    verdict = UNKNOWN if any(s.verdict == UNKNOWN for s in sources) else explanation.verdict
    return replace(explanation, sources=sources, verdict=verdict)
