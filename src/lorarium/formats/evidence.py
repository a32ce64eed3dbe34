"""Why a family was named, or none: sentences for people, made from the scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .families import Family
from .foreign import beside
from .placing import Group, dims, fits, fits_exactly

if TYPE_CHECKING:
    from .detect import Score

SAMPLES = 3
_FEW = 16


def describe(
    chosen: Score,
    others: Sequence[Score],
    scores: Sequence[Score],
    groups: Sequence[Group],
    hint: str | None,
) -> tuple[str, ...]:
    total, title = len(groups), chosen.family.id
    lines = [
        f"{chosen.named} of {total} modules bear names of {title}, {chosen.fitting} its shapes"
    ]
    if total < _FEW:
        modules = "a single module" if total == 1 else f"{total} modules only"
        lines.append(f"this rests on {modules}")
    lines += _variants(chosen)
    lines += _excluded(chosen, others, scores, groups)
    if others:
        names = ", ".join(score.family.id for score in others)
        lines.append(f"shapes cannot tell it from {names}")
        lines += _would_tell(chosen, others)
    if hint and hint == title:
        lines.append(f"metadata says {hint}")
    return tuple(lines)


def describe_unknown(
    scores: Sequence[Score],
    groups: Sequence[Group],
    keys: Sequence[str],
    metadata: Mapping[str, str],
) -> tuple[str, ...]:
    """What comes nearest, what the file calls itself, or samples of its names."""
    lines = []
    total = len(groups)
    if what := beside(keys):
        lines.append(f"some of its modules are of {what}, of which there is no table")
    best = max(scores, key=lambda score: (score.fitting, score.named), default=None)
    if best is not None and best.named:
        lines.append(
            f"{best.named} of {total} modules bear names of {best.family.id}, but only "
            f"{best.fitting} its shapes"
        )
        lines += _misfit(best, groups)
    else:
        names = ", ".join(group.stem for group in groups[:SAMPLES]) or ", ".join(keys[:SAMPLES])
        lines.append(f"no module name is in a known table: {names}" if names else "no modules")
    stamp = metadata.get("modelspec.architecture") or metadata.get("ss_base_model_version")
    if stamp and stamp.strip():
        lines.append(f"the metadata calls its base {stamp.strip()[:60]!r}")
    return tuple(lines)


def _misfit(best: Score, groups: Sequence[Group]) -> list[str]:
    for group, spot in zip(groups, best.places, strict=True):
        if spot is None:
            return [f"there is no {group.parsed.name} in {best.family.id}"]
        if not fits(group.shape, spot.shape):
            path = spot.native.paths[0]
            return [f"{path} is {dims(group.shape)} here, {dims(spot.shape)} in {best.family.id}"]
    return []


def _variants(chosen: Score) -> list[str]:
    spots = {spot.variant: spot for spot in chosen.places if spot is not None and spot.variant}
    return [f"{spot.native.paths[0]} has the shape of {title}" for title, spot in spots.items()]


def _excluded(
    chosen: Score, others: Sequence[Score], scores: Sequence[Score], groups: Sequence[Group]
) -> list[str]:
    """For rivals that explain half of the file: one module that they cannot."""
    reasons: dict[str, list[str]] = {}
    for rival in scores:
        if rival is not chosen and rival not in others and 2 * rival.named >= len(groups):
            reasons.setdefault(_against(chosen, rival, groups), []).append(rival.family.id)
    return [f"not {', '.join(names)}: {reason}" for reason, names in reasons.items()]


def _against(chosen: Score, rival: Score, groups: Sequence[Group]) -> str:
    for group, mine, theirs in zip(groups, chosen.places, rival.places, strict=True):
        if mine is None or not fits(group.shape, mine.shape):
            continue
        path = mine.native.paths[0]
        if theirs is None:
            return f"there is no {path} there"
        if not fits(group.shape, theirs.shape) or (
            fits_exactly(group.shape, mine.shape) and not fits_exactly(group.shape, theirs.shape)
        ):
            return f"{path} is {dims(group.shape)} here, {dims(theirs.shape)} there"
    return "attentions are touched in fewer layers than there are"


def _would_tell(chosen: Score, others: Sequence[Score]) -> list[str]:
    """For each alternative a module that only one of the two could have."""
    lines = []
    for other in others:
        mine = _only(chosen.family, other.family)
        theirs = _only(other.family, chosen.family)
        marks = [
            f"a change of {path} would be {family.id}"
            for path, family in ((mine, chosen.family), (theirs, other.family))
            if path
        ]
        if marks:
            lines.append("; ".join(marks))
    return lines


def _only(family: Family, other: Family) -> str:
    """A module of a denoiser that the other lacks or has in another shape, best one of a block."""
    theirs = other.parts["denoiser"].shapes
    own = [
        path for path, shape in family.parts["denoiser"].shapes.items() if theirs.get(path) != shape
    ]
    return next((path for path in own if ".0." in path), own[0] if own else "")
