"""Which base model an adapter belongs to: module names and shapes decide, metadata only hints."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from math import prod

from . import positional
from .families import FAMILIES, Family, Native, table
from .grammar import Parsed
from .report import FamilyGuess
from .slots import Built

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Group:
    """The tensors of one spelled module: its keys by slot and what they make."""

    stem: str
    parsed: Parsed
    keys: Mapping[str, str]
    built: Built

    @cached_property
    def shape(self) -> Shape | None:
        if self.built.delta is not None:
            return self.built.delta.shape
        return None if self.built.bias is None else self.built.bias.shape


@dataclass(frozen=True)
class Place:
    """Where a group belongs in a family: the part and the weight, native or ours."""

    part: str
    native: Native
    shape: Shape


def place(family: Family, group: Group, metadata: Mapping[str, str]) -> Place | None:
    """The place of a group in a family, by name; with no network said, shapes choose the part."""
    parsed = group.parsed
    if parsed.position is not None:
        return _place_positional(family, group, metadata)
    if parsed.net:
        part = family.part_of.get(parsed.net)
        parts: Sequence[str] = [part] if part else []
    else:
        parts = list(family.parts)
    found = None
    for part in parts:
        table = family.parts[part]
        native = (table.flat if parsed.flat else table.dotted).get(parsed.name)
        if native is None:
            continue
        here = Place(part, native, table.shape(native))
        if fits(group.shape, here.shape):
            return here
        found = found or here
    return found


def _place_positional(family: Family, group: Group, metadata: Mapping[str, str]) -> Place | None:
    part = group.parsed.net
    with_ff = positional.feed_forward(metadata, part)
    if with_ff is None or group.parsed.position is None:
        return None
    paths = positional.order(family.id, part, with_ff)
    if group.parsed.position >= len(paths):
        return None
    path = paths[group.parsed.position]
    shape = family.parts[part].shapes[path]
    return Place(part, Native(path, (path,)), shape) if fits(group.shape, shape) else None


def fits(shape: Shape | None, wanted: Shape) -> bool:
    """Whether a change of `shape` can belong to a weight; 1x1 kernels may be left out."""
    if shape is None:
        return False
    if len(shape) == 1:
        return shape[0] == wanted[0]
    if len(shape) == len(wanted):
        return shape == wanted
    return shape[0] == wanted[0] and prod(shape[1:]) == prod(wanted[1:])


def _exact(shape: Shape | None, wanted: Shape) -> bool:
    return shape is not None and (len(shape) == 1 or len(shape) == len(wanted))


@dataclass(frozen=True)
class _Score:
    family: Family
    places: tuple[Place | None, ...]
    named: int
    fitting: int
    exact: int
    gaps: int

    @property
    def rank(self) -> tuple[int, int, int]:
        return (self.fitting, self.named, self.exact)


def detect(
    groups: Sequence[Group],
    metadata: Mapping[str, str],
    keys: Sequence[str],
    given: str | None = None,
) -> tuple[FamilyGuess, tuple[Place | None, ...]]:
    """The guess, and each group's place in the family guessed (`given` overrules the tensors)."""
    families = [FAMILIES[given]] if given else list(FAMILIES.values())
    scores = [_score(family, groups, metadata) for family in families]
    hint = _hint(metadata)
    if given:
        guess = FamilyGuess(given, 1.0, evidence=("the caller said so",), hint=hint)
        return guess, scores[0].places
    best = max(score.rank for score in scores)
    if best[1] == 0:
        return _unplaced(keys, hint), (None,) * len(groups)
    likely = [score for score in scores if score.rank == best]
    whole = min(score.gaps for score in likely)
    likely = [score for score in likely if score.gaps < whole + _TELLING]
    chosen = next((score for score in likely if score.family.id == hint), likely[0])
    others = tuple(score.family.id for score in likely if score is not chosen)
    total = len(groups)
    title = chosen.family.id
    evidence = [
        f"{chosen.named} of {total} modules bear names of {title}, {chosen.fitting} its shapes"
    ]
    evidence += _evidence(chosen, scores, groups, others)
    if hint and hint == title:
        evidence.append(f"metadata says {hint}")
    confidence = chosen.fitting / total if chosen.fitting else 0.3 * chosen.named / total
    if others:
        confidence *= 0.9 if hint == title else 1 / (1 + len(others))
    return FamilyGuess(title, confidence, others, tuple(evidence), hint), chosen.places


def _score(family: Family, groups: Sequence[Group], metadata: Mapping[str, str]) -> _Score:
    places = tuple(place(family, group, metadata) for group in groups)
    named = fitting = exact = 0
    for group, found in zip(groups, places, strict=True):
        if found is None:
            continue
        named += 1
        if fits(group.shape, found.shape):
            fitting += 1
            exact += _exact(group.shape, found.shape)
    return _Score(family, places, named, fitting, exact, _gaps(family, places))


# So many attentions cut short at the same depths are a shallower network, fewer are a choice.
_TELLING = 3
_LAYER = re.compile(r"(.*)\.transformer_blocks\.(\d+)\.")


def _gaps(family: Family, places: Sequence[Place | None]) -> int:
    """Attentions of which only some layers are touched: the mark of a shallower network."""
    touched: dict[str, set[str]] = {}
    for found in places:
        if found is not None and found.part == "denoiser":
            for path in found.native.paths:
                if match := _LAYER.match(path):
                    touched.setdefault(match[1], set()).add(match[2])
    if not touched:
        return 0
    return min(
        sum(layers != _depths(net).get(block) for block, layers in touched.items())
        for net in (family.net, *family.variants)
    )


@cache
def _depths(net: str) -> dict[str, set[str]]:
    """Transformer layers of each attention of a network."""
    depths: dict[str, set[str]] = {}
    for path in table(net).shapes:
        if match := _LAYER.match(path):
            depths.setdefault(match[1], set()).add(match[2])
    return depths


def _evidence(
    chosen: _Score, scores: Sequence[_Score], groups: Sequence[Group], others: Sequence[str]
) -> list[str]:
    """One module that rivals cannot explain, and which rivals."""
    reasons: dict[str, list[str]] = {}
    for rival in scores:
        if rival is not chosen and rival.family.id not in others and rival.named:
            reasons.setdefault(_against(chosen, rival, groups), []).append(rival.family.id)
    lines = [f"not {', '.join(names)}: {reason}" for reason, names in reasons.items()]
    if others:
        lines.append(f"shapes cannot tell it from {', '.join(others)}")
    return lines


def _against(chosen: _Score, rival: _Score, groups: Sequence[Group]) -> str:
    for group, mine, theirs in zip(groups, chosen.places, rival.places, strict=True):
        if mine is None or not fits(group.shape, mine.shape):
            continue
        path = mine.native.paths[0]
        if theirs is None:
            return f"there is no {path} there"
        if not fits(group.shape, theirs.shape) or (
            _exact(group.shape, mine.shape) and not _exact(group.shape, theirs.shape)
        ):
            want = "x".join(map(str, theirs.shape))
            have = "x".join(map(str, group.shape or ()))
            return f"{path} is {have} here, {want} there"
    return "attentions are touched in fewer layers than there are"


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


# names that other kinds of networks have -> what the file seems to be
_FOREIGN = (
    (r"w_[ab]_\d+$", "a Segment Anything (SAM) adapter"),
    (r"image_encoder\.blocks\.\d+\.|mask_decoder\.", "a Segment Anything (SAM) adapter"),
    (r"model\.layers\.\d+\.(self_attn|mlp)\.", "a language-model adapter (Llama-like)"),
    (r"(transformer\.)?h\.\d+\.(attn|mlp)\.", "a language-model adapter (GPT-like)"),
    (r"gpt_neox\.layers\.\d+\.", "a language-model adapter (GPT-NeoX)"),
    (r"encoder\.layer\.\d+\.attention\.", "a BERT-like or ViT adapter"),
    (r"decoder\.block\.\d+\.layer\.", "a sequence-to-sequence language-model adapter"),
    (r"vision_model\.|visual\.blocks\.", "a vision-model adapter"),
    (r"model\.(encoder|decoder)\.layers\.\d+\.", "a speech or translation adapter"),
)


def _unplaced(keys: Sequence[str], hint: str | None) -> FamilyGuess:
    for pattern, what in _FOREIGN:
        found = re.compile(rf"(^|\.){pattern}")
        count = sum(found.search(key) is not None for key in keys)
        if count * 2 > len(keys):
            return FamilyGuess(
                "not-diffusion", 0.9, evidence=(f"{count} of {len(keys)} keys are of {what}",)
            )
    return FamilyGuess("unknown", 0.0, evidence=("no module name is in a known table",), hint=hint)
