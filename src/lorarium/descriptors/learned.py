"""The learned descriptors: linear maps on sketches that run in numpy.

`probe` brings adapters of one artist or individual together whatever their recipe; `aligned` puts
adapters, pictures and words in one space. They are trained by the stage `describe` of the recipes
and know adapters of one base model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np

from lorarium import trained
from lorarium.adapter import Adapter, Array
from lorarium.adopted import trained_file
from lorarium.descriptors.effect import SIZE as EFFECT
from lorarium.descriptors.facts import GENERAL
from lorarium.descriptors.gram import unit
from lorarium.descriptors.protocol import Item, as_sketch, check_family
from lorarium.descriptors.select import SORTS
from lorarium.descriptors.sketch import SKETCH_VERSION, Sketch, fold
from lorarium.errors import LorariumError, missing_extra, quoted
from lorarium.formats.families.embedded import SHIPPED
from lorarium.trained import Card, FileKind

ASSET = trained.asset("describe")
FORMAT = "lorarium-describe/1"
KIND = FileKind("learned descriptor", "lorarium.recipes describe", {"format": FORMAT})
FACTS = len(GENERAL) + 3 * len(SORTS)  # those used: how an adapter was made
REST = 6144  # numbers that stand for what is new about an artist
PICTURE_HEADS = ("style", "identity", "picture")  # of judge A, what the picture tower reads
Weights = dict[str, Array]


def recipe_facts(sketch: Sketch) -> Array:
    """float32 (FACTS,): norm, ranks, counts and energies on a scale of powers."""
    return np.log1p(np.abs(sketch.facts[:FACTS])).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Learned:
    """The maps of one asset."""

    family: str
    weights: Weights
    card: Card

    def probes(self, sketches: Sequence[Sketch]) -> Array:
        """(n, k) of unit length: the learned axes, then what is left of the effect when the
        directions in which adapters of one artist differ are damped, folded."""
        w = self.weights
        share = float(w["probe.share"][0])
        x = self._weighed(sketches) - w["probe.mean"]
        facts = (np.stack([recipe_facts(s) for s in sketches]) - w["facts.mean"]) * w["facts.scale"]
        rest = fold(damped(x, w), REST)
        axes = x @ w["probe.project"].T - facts @ w["probe.regress"].T
        axes = unit(axes) * np.sqrt(share)
        return unit(np.concatenate([axes, unit(rest) * np.sqrt(1 - share)], 1))

    def aligned(self, sketches: Sequence[Sketch]) -> Array:
        """(n, d) of unit length, in the space of pictures and words."""
        rest = damped(self._weighed(sketches) - self.weights["probe.mean"], self.weights)
        return unit(unit(rest) @ self.weights["adapters.map"].T)

    def words(self, texts: Sequence[str]) -> Array:
        """(n, d) of texts such as "a red ink" or "a spotted cat", in the world's words.

        A colour beside a genre is the artist's: a step inside the genre. Else it is a subject's.
        """
        from lorarium.world.words import tokens

        return np.stack([self._prompt_vector({t for t in tokens(text) if t}) for text in texts])

    def _prompt_vector(self, numbers: set[int]) -> Array:
        from lorarium.world.splits import SEEN_GENRES
        from lorarium.world.words import COLOURS, VOCABULARY

        table, words = self.weights["words.table"], {VOCABULARY[n]: n for n in numbers}
        hues = [i for i, colour in enumerate(COLOURS) if colour in words]
        inside = bool(hues) and bool(words.keys() & set(SEEN_GENRES))
        rest = [n for word, n in words.items() if not (inside and word in COLOURS)]
        vector = unit(table[rest].sum(0) + self.weights["words.bias"])
        if inside:
            vector = unit(vector + self.weights["words.hues"][hues].mean(0))
        return vector

    def picture_features(self, features: Array) -> Array:
        """(n, d) from means over pictures of the heads of judge A, (n, f)."""
        return unit((features - self.weights["pictures.mean"]) @ self.weights["pictures.map"].T)

    def pictures(self, pictures: Array) -> Array:
        """(d,) of pictures (n, h, w, 3) uint8 by one hand or of one individual."""
        judge = self.card.get("judge")
        return self.picture_features(picture_features(pictures, judge)[None])[0]

    def _weighed(self, sketches: Sequence[Sketch]) -> Array:
        for one in sketches:
            check_family(one, self.family, "the learned descriptor")
            if len(one.effect) != EFFECT:
                raise LorariumError(
                    "this sketch was made without knowledge of its base", hint="sketch it again"
                )
        return weighed(np.stack([one.effect for one in sketches]), self.weights["probe.roles"])


def weighed(effects: Array, roles: Array) -> Array:
    """Effects (n, d) of unit length in which each role counts as much as was learned."""
    slots = effects.reshape(len(effects), len(roles), -1) * roles[:, None]
    return unit(slots.reshape(len(effects), -1))


def damped(x: Array, weights: Weights) -> Array:
    """Vectors (n, d) less a share of themselves along each axis of nuisance."""
    along = x @ weights["nuisance.axes"].T
    return x - (along * weights["nuisance.keep"]) @ weights["nuisance.axes"]


def load_learned(path: Path) -> Learned:
    """The networks in a file, refused when of another version of sketches."""
    file = trained.load(path, KIND)
    _check(file.card, path)
    return Learned(str(file.card.get("family")), file.floats(), file.card)


def read_card(path: Path) -> Card:
    """What a file says of its networks; refused when of another version of sketches."""
    card = trained.read_card(path, KIND)
    _check(card, path)
    return card


def _check(card: Card, path: Path) -> None:
    if card.get("sketch") != SKETCH_VERSION:
        what = f"was trained on sketches of version {card.get('sketch')}"
        raise LorariumError(what, where=str(path), hint=KIND.again)


def learned_for(family: str = SHIPPED, base_hash: str | None = None) -> Learned:
    """What was learned on the base that adapters of this family stand on."""
    path = trained_file(ASSET, family, [base_hash])
    if path is None:
        raise LorariumError(
            f"no descriptor was learned for {quoted(family)}", hint="make one: lorarium adopt BASE"
        )
    return trained.read_once(load_learned, path)


def _of(item: Item) -> tuple[Learned, Sketch]:
    base_hash = item.metadata.get("lorarium.base_hash") if isinstance(item, Adapter) else None
    return learned_for(item.family, base_hash), as_sketch(item)


def probe(item: Item) -> Array:
    """float32 (k,) of unit length: near for adapters of one artist, whatever their recipe.

    >>> probe(read("ink.safetensors")) @ probe(read("rain.safetensors"))  # doctest: +SKIP
    """
    learned, sketch = _of(item)
    return learned.probes([sketch])[0]


def aligned(item: Item) -> Array:
    """float32 (d,) of unit length, comparable with `aligned_words` and `aligned_pictures`."""
    learned, sketch = _of(item)
    return learned.aligned([sketch])[0]


def aligned_words(text: str, family: str = SHIPPED) -> Array:
    """float32 (d,) of a text in the world's words, such as "a red ink"."""
    return learned_for(family).words([text])[0]


def aligned_pictures(pictures: Array, family: str = SHIPPED) -> Array:
    """float32 (d,) of pictures (n, h, w, 3) uint8 by one hand or of one individual."""
    return learned_for(family).pictures(pictures)


def picture_features(pictures: Array, mark: str | None = None) -> Array:
    """(f,): the mean over pictures (n, h, w, 3) of what judge A sees in each; a judge of another
    `mark` than the networks were trained with is refused."""
    try:
        from lorarium.encoders.encode import encode
        from lorarium.encoders.store import mark_of
        from lorarium.encoders.store import shipped as encoder
    except ModuleNotFoundError as error:
        raise missing_extra(f"reading pictures needs {error.name}", "torch") from None
    judge = _judge(encoder)
    if mark is not None and mark != mark_of(judge):
        raise LorariumError("the picture tower was trained with another judge A", hint=KIND.again)
    return np.concatenate([v.mean(0) for v in encode(judge, pictures, *PICTURE_HEADS)])


@lru_cache(maxsize=1)
def _judge(encoder: Any) -> Any:
    return encoder("judge_a").net


class _LearnedDescriptor:
    """A learned descriptor with the face of the others; there is nothing to fit."""

    metric = "cosine"
    name: str

    def __init__(self, learned: Learned | None = None) -> None:
        self._learned = learned or learned_for()

    @property
    def size(self) -> int:
        w = self._learned.weights
        return len(w["probe.project"]) + REST if self.name == "probe" else len(w["adapters.map"])

    def fit(self, items: Sequence[Item]) -> Self:
        return self

    def describe(self, item: Item) -> Array:
        return self.describe_all([item])[0]

    def describe_all(self, items: Sequence[Item]) -> Array:
        sketches = [as_sketch(item) for item in items]
        encode = self._learned.probes if self.name == "probe" else self._learned.aligned
        return encode(sketches)


class Probe(_LearnedDescriptor):
    name = "probe"


class Aligned(_LearnedDescriptor):
    name = "aligned"
