"""Which base model an adapter belongs to: names and shapes decide, metadata only hints.

A family is named when nine in ten of the file's modules stand in its table with fitting shapes, and
more than in any other; families that do as well are its alternatives. Otherwise the file is
`unknown`, which is an answer: a wrong name would lead to a wrong file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from math import prod

from . import positional
from .evidence import describe, describe_unknown
from .families import FAMILIES, Family, table
from .families.index import candidates, input_widths
from .foreign import beside, seems
from .placing import Group, Place, fits, fits_exactly, place
from .report import FamilyGuess

# The share of a file's modules that must stand in a family's table with fitting shapes.
FITTING = 0.9
# With modules that fit nowhere, a family this close to the best (in shares) is not excluded.
MARGIN = 0.05
# So many attentions cut short at the same depths are a shallower network, fewer are a choice.
_TELLING = 3
# A file of fewer modules says little, whatever fits.
FEW = 16
# Touching each of at least so many layers of a network, and no others, is a mark of it.
_LAYERS = 4


@dataclass(frozen=True)
class Score:
    """How well a family explains a file."""

    family: Family
    places: tuple[Place | None, ...]
    named: int
    fitting: int
    exact: int

    @cached_property
    def touched(self) -> Mapping[str, set[str]]:
        """Stack of layers -> the layers touched."""
        layers: dict[str, set[str]] = {}
        for spot in self.places:
            if spot is not None and spot.part.startswith("denoiser"):
                for path in spot.native.paths:
                    if match := _LAYER.match(path):
                        layers.setdefault(match[1], set()).add(match[2])
        return layers

    @cached_property
    def cut(self) -> int:
        """Stacks of which only some layers are touched: the mark of a shallower network."""
        if not self.touched:
            return 0
        return min(
            sum(layers != _depths(net).get(stack) for stack, layers in self.touched.items())
            for net in self.family.nets
        )

    @property
    def complete(self) -> bool:
        """Each layer that the network has is touched, in a network whose depth tells something."""
        deep = sum(map(len, self.touched.values())) >= _LAYERS
        return deep and not self.cut and self.family.denoiser != "unet"


# the stack and the number of a layer; UNets' levels are no stack, their attentions' layers are
_LAYER = re.compile(
    r"(.*\btransformer_blocks|(?:.*\.)?(?!down_|up_)\w*(?:blocks|layers|refiner))\.(\d+)\."
)


@cache
def _depths(net: str) -> dict[str, set[str]]:
    """Layers of each stack of a network."""
    depths: dict[str, set[str]] = {}
    for path in table(net).shapes:
        if match := _LAYER.match(path):
            depths.setdefault(match[1], set()).add(match[2])
    return depths


def detect(
    groups: Sequence[Group],
    metadata: Mapping[str, str],
    keys: Sequence[str],
    given: str | None = None,
) -> tuple[FamilyGuess, tuple[Place | None, ...]]:
    """The guess, and each group's place in the family guessed (`given` overrules the tensors)."""
    hint = _hint(metadata)
    if given:
        chosen = _score(FAMILIES[given], groups, metadata)
        guess = FamilyGuess(given, 1.0, evidence=("the caller said so",), hint=hint)
        return guess, chosen.places
    scores = [_score(family, groups, metadata) for family in _families(groups)]
    likely = _likely(scores, len(groups))
    if likely and likely[0].fitting < len(groups) and beside(keys):
        likely = []  # of a network that holds a base model's blocks and more
    if not likely:
        if what := seems(keys):
            return FamilyGuess("not-diffusion", 0.9, evidence=(what,)), (None,) * len(groups)
        lines = describe_unknown(scores, groups, keys, metadata)
        return FamilyGuess("unknown", 0.0, evidence=lines, hint=hint), (None,) * len(groups)
    chosen = next((score for score in likely if score.family.id == hint), likely[0])
    others = [score for score in likely if score is not chosen]
    guess = FamilyGuess(
        chosen.family.id,
        _confidence(chosen, others, len(groups), hint),
        tuple(score.family.id for score in others),
        describe(chosen, others, scores, groups, hint),
        hint,
    )
    return guess, chosen.places


def _families(groups: Sequence[Group]) -> list[Family]:
    """Those worth a closer look; positions are counted in UNets alone."""
    names = [group.parsed.name for group in groups if group.parsed.position is None]
    if not names:
        return [FAMILIES[id] for id in ("sd1", "sd2")] if groups else []
    named = candidates(names, 0.5)
    widths = [prod(g.shape[1:]) for g in groups if g.shape is not None and len(g.shape) > 1]
    # spelling a table out costs a hundredth of a second: those whose layers take no inputs so
    # wide can wait, unless that is all of them and the question is why none fits
    counts = Counter(widths)
    able = [f for f in named if 2 * _held(counts, input_widths(f.id)) >= len(widths)]
    return able or named


def _held(counts: Mapping[int, int], widths: frozenset[int]) -> int:
    return sum(count for width, count in counts.items() if width in widths)


def _score(family: Family, groups: Sequence[Group], metadata: Mapping[str, str]) -> Score:
    positional_keys = any(group.parsed.position is not None for group in groups)
    walks = positional.WALKS if positional_keys else positional.WALKS[:1]
    scores = [_score_of_walk(family, groups, metadata, walk) for walk in walks]
    return max(scores, key=lambda score: score.fitting)


def _score_of_walk(
    family: Family, groups: Sequence[Group], metadata: Mapping[str, str], walk: tuple[str, ...]
) -> Score:
    places = tuple(place(family, group, metadata, walk) for group in groups)
    named = fitting = exact = 0
    for group, spot in zip(groups, places, strict=True):
        if spot is None:
            continue
        named += 1
        if fits(group.shape, spot.shape):
            fitting += 1
            exact += fits_exactly(group.shape, spot.shape)
    return Score(family, places, named, fitting, exact)


def _likely(scores: Sequence[Score], total: int) -> list[Score]:
    """Families that explain the file equally well, the likeliest first."""
    able = [score for score in scores if score.fitting and score.fitting >= FITTING * total]
    if not able:
        return []
    best = max((score.fitting, score.exact) for score in able)
    if best[0] == total:
        likely = [score for score in able if (score.fitting, score.exact) == best]
    else:
        likely = [score for score in able if score.fitting >= best[0] - MARGIN * total]
        likely.sort(key=lambda score: (-score.fitting, -score.exact))
    smallest_cut = min(score.cut for score in likely)
    likely = [score for score in likely if score.cut < smallest_cut + _TELLING]
    return sorted(likely, key=lambda score: not score.complete)


def _confidence(chosen: Score, others: Sequence[Score], total: int, hint: str | None) -> float:
    confidence = chosen.fitting / total
    if hint == chosen.family.id:
        return confidence * (0.9 if others else 1.0)
    rivals = [score for score in others if score.complete == chosen.complete]
    weights = [score.family.weight for score in (chosen, *rivals)]
    confidence *= weights[0] / sum(weights)
    if len(rivals) < len(others):
        confidence *= 0.9
    return min(confidence, (total + 1) / (total + 2)) if total < FEW else confidence


def _hint(metadata: Mapping[str, str]) -> str | None:
    stamps = [
        metadata.get(name, "").lower()
        for name in ("ss_base_model_version", "modelspec.architecture", "ss_sd_model_name")
    ]
    if metadata.get("ss_v2", "").lower() == "true" and "sd_v2" not in stamps[0]:
        stamps.append("sd_v2")
    best: tuple[int, str | None] = (0, None)
    for stamp in stamps:
        for family in FAMILIES.values():
            for marker in family.stamps:
                if marker in stamp and len(marker) > best[0]:
                    best = (len(marker), family.id)
        if best[1]:
            break
    return best[1]
