"""What a file is the weighted sum of, and how sure that is.

Parents are proposed by sketches and decided on the equations of `equations`: all candidates are
solved for together, and those that the sum can do without leave it, derived files (of high rank)
before originals. Stated as sure is only what is left of the energy by rounding alone, that chance
and rank allow, and that no other choice of files explains as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lorarium.adapter import Array
from lorarium.library.equations import Equations, Solution, solve

SURE, LIKELY, UNKNOWN = "sure", "likely", "cannot be told"

ROUNDING = 8e-3**2  # share of the energy that number types on the way can have changed
MOSTLY = 0.15**2  # share that may be missing from a likely sum
NOTHING = 1e-8  # below it nothing is said by what is left
WORSE = 1.25  # times what is left: a file whose leaving costs less is not needed
VARIED = (
    25.0  # times less is left by weights by module, where they do differ: many weights fit noise
)
AS_WELL = 9.0  # times what is left, with another choice: it fits about as well
CANCELLED = 0.25  # mean rank by which a sum may fall short of what its parts have
INSIDE, FLAW, SPREAD = 1e-3, 0.05, 0.02  # of a candidate that lies in the target as it is
RELATED = 0.5  # cosine of two parents that explain each other in part
LEAST = 1e-5  # share of the energy of a parent
PART = 1e-4  # the same, of one that a merge would not be without


@dataclass(frozen=True)
class Source:
    """One parent, by its number among the candidates. Its weight lies between `low` and `high`;
    `instead` are candidates that would do as well in its place."""

    index: int
    weight: float
    low: float
    high: float
    share: float
    verdict: str
    instead: tuple[int, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """`rest` is the share of the energy that the sources leave unexplained, `cut` the share of
    the sum's energy that truncation took away; `varies` when weights differ between modules."""

    sources: tuple[Source, ...]
    rest: float
    cut: float
    varies: bool
    verdict: str


def explain(equations: Equations, able: Sequence[int]) -> Explanation | None:
    """The best sum of the candidates that are `able`; None when there is none worth a word."""
    able = list(able)
    of_low_rank = [i for i in able if equations.rank(i) <= equations.rank(-1)]
    low_rank = _sum_of(equations, list(of_low_rank))
    if low_rank is not None and low_rank.rest <= ROUNDING:
        return low_rank
    any_rank = _sum_of(equations, able) if len(of_low_rank) < len(able) else None
    if any_rank is not None and any_rank.rest <= ROUNDING:
        return any_rank
    return _inside(equations, able) or low_rank


def _sum_of(equations: Equations, able: list[int]) -> Explanation | None:
    """A sum that leaves little; a choice that only cancellation can make is tried again without
    the file that holds the most besides."""
    while able:
        grams, solution = _choose_files(equations, able)
        if not solution.chosen or solution.rest > MOSTLY:
            return None
        one = solve(equations.grams.sum(axis=0)[None], solution.chosen)
        rank, usual_rank = equations.room(solution.chosen, one.weights[0])
        if equations.full() or rank >= usual_rank - CANCELLED:
            cut = equations.cut(solution.chosen, one.weights[0])
            return _describe_sources(equations, able, grams, solution, cut)
        able.remove(max(solution.chosen, key=equations.rank))
    return None


def _choose_files(equations: Equations, able: Sequence[int]) -> tuple[Array, Solution]:
    """The files that are needed, with one weight each, or if that does not do with one for each
    module; and the inner products which that was solved on."""
    grams = equations.grams
    total = grams.sum(axis=0)[None]
    floor = max(NOTHING, equations.rounding)
    one = eliminate(total, able, equations.rank, floor)
    if one.rest <= ROUNDING:
        return total, one
    each = eliminate(grams, able, equations.rank, floor)
    if each.rest > min(ROUNDING, one.rest / VARIED):
        return total, one
    return grams, each


def eliminate(
    grams: Array, able: Sequence[int], rank: Callable[[int], float], floor: float = NOTHING
) -> Solution:
    """Least squares on as few as leave about as little as all do, or no more than `floor`."""
    solution = solve(grams, [i for i in able if grams[:, i + 1, i + 1].any()])
    limit = WORSE * max(solution.rest, floor)
    while True:
        rests = solution.rest + solution.costs
        places = np.flatnonzero(rests <= limit)
        if not len(places):
            return solution
        out = max(places, key=lambda p: (rank(solution.chosen[p]), -rests[p]))
        solution = solve(grams, [i for p, i in enumerate(solution.chosen) if p != out])


def _describe_sources(
    equations: Equations, able: Sequence[int], grams: Array, solution: Solution, cut: float
) -> Explanation | None:
    """Each parent with what else would do, and an interval of its weight."""
    exact = solution.rest <= ROUNDING
    total = equations.grams.sum(axis=0)
    if not exact and _related(total, solution.chosen):
        return None
    weights = solve(total[None], solution.chosen).weights[0]
    intervals = _intervals(equations, solution.chosen, weights, len(grams) > 1)
    limit = (AS_WELL if exact else WORSE) * max(solution.rest, NOTHING)
    sums = {j for j in able if _is_sum(total[1:, 1:], j, solution.chosen)}
    sources = []
    for place, i in enumerate(solution.chosen):
        share = float(weights[place]) ** 2 * equations.share(i)
        if share <= LEAST:
            continue
        rest = [j for j in solution.chosen if j != i]
        others = [j for j in able if j not in (*solution.chosen, *sums)]
        instead = tuple(j for j in others if solve(grams, [*rest, j]).rest <= limit)
        doubtful = bool(instead) or _turns(equations, solution.chosen, len(grams) > 1)
        verdict = UNKNOWN if doubtful else SURE if exact else LIKELY
        sources.append(Source(i, float(weights[place]), *intervals[place], share, verdict, instead))
    if not sources:
        return None
    verdict = max((s.verdict for s in sources), key=(SURE, LIKELY, UNKNOWN).index)
    return Explanation(tuple(sources), solution.rest, cut / (1 + cut), len(grams) > 1, verdict)


def _turns(equations: Equations, chosen: Sequence[int], varies: bool) -> bool:
    """Whether the sum can be turned round, so that it is not told which came last: of matrices of
    full rank any one is the sum of the others, and with weights by module also where the target
    has no more rank than what it would be the sum of."""
    if equations.full():
        return True
    return varies and equations.rank(-1) <= max(map(equations.rank, chosen))


def _intervals(
    equations: Equations, chosen: Sequence[int], weights: Array, varies: bool
) -> list[tuple[float, float]]:
    """Of each weight, from how it differs between modules where the file counts."""
    table = solve(equations.grams, chosen).weights
    intervals = []
    for place, i in enumerate(chosen):
        energy = equations.grams[:, i + 1, i + 1]
        known = table[energy > 1e-3 * energy.max(), place]
        middle = float(weights[place])
        if varies:
            low, high = np.quantile(known, [0.05, 0.95])
        else:
            spread = 1.4826 * float(np.median(np.abs(known - middle))) / np.sqrt(len(known))
            low, high = middle - 3 * spread - 1e-4, middle + 3 * spread + 1e-4
        intervals.append((float(min(low, middle)), float(max(high, middle))))
    return intervals


def _related(gram: Array, chosen: Sequence[int]) -> bool:
    rows = np.array(chosen, int) + 1
    G = gram[np.ix_(rows, rows)]
    size = np.sqrt(np.diag(G))
    return bool((np.abs(G / np.outer(size, size))[~np.eye(len(rows), dtype=bool)] > RELATED).any())


def _inside(equations: Equations, able: Sequence[int]) -> Explanation | None:
    """Parents that lie in the file as they are, whatever else is in it: some others are not here.
    Of files that hold one another the originals count."""
    contained: dict[int, tuple[float, float]] = {}
    for i in able:
        inside, weights, flaws = equations.contained(i)
        if inside < 1 - INSIDE or not len(weights) or equations.full():
            continue
        middle = float(np.median(weights))
        off = np.median(np.abs(weights / middle - 1)) if middle else np.inf
        if off <= SPREAD and np.median(flaws) <= FLAW:
            contained[i] = middle, abs(middle) * float(off)
    sources = []
    for i in _independent(equations, contained):
        weight, spread = contained[i]
        share = weight**2 * equations.share(i)
        low, high = weight - 3 * spread - 1e-4, weight + 3 * spread + 1e-4
        sources.append(Source(i, weight, low, high, share, LIKELY))
    if not sources:
        return None
    w = np.array([s.weight for s in sources])
    rows = np.array([0, *(s.index + 1 for s in sources)])
    gram = equations.grams.sum(axis=0)[np.ix_(rows, rows)]
    left = np.concatenate([[1.0], -w])
    return Explanation(tuple(sources), float(left @ gram @ left), 0.0, False, LIKELY)


def _independent(equations: Equations, contained: dict[int, tuple[float, float]]) -> list[int]:
    """Without files that were cut from another one, and without sums of others."""
    gram = equations.grams.sum(axis=0)[1:, 1:]
    cut = {i for i in contained for j in contained if i != j and _cut_from(gram, i, j)}
    independent: list[int] = []
    for i in sorted(contained.keys() - cut, key=equations.rank):
        if not _is_sum(gram, i, independent):
            independent.append(i)
    return independent


def _is_sum(gram: Array, j: int, chosen: Sequence[int]) -> bool:
    """Whether j is a sum of two or more of the chosen."""
    rows = np.array([j, *range(len(gram))])
    solution = solve(gram[np.ix_(rows, rows)][None], [i for i in chosen if i != j])
    shares = solution.weights[0] ** 2 * gram[list(solution.chosen), list(solution.chosen)]
    return solution.rest <= ROUNDING * gram[j, j] and (shares > PART * gram[j, j]).sum() > 1


def _cut_from(gram: Array, i: int, j: int) -> bool:
    """<Dᵢ, Dⱼ> = ‖Dᵢ‖² when i is a projection of j."""
    return bool(abs(gram[i, j] / gram[i, i] - 1) < SPREAD and gram[i, i] < gram[j, j] * (1 - 1e-4))
