"""The ways of making a LoRA from pictures that are compared: each is a name and one function.

A function takes targets and gives an adapter for each, or None for the base alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lorarium.adapter import Adapter
from lorarium.algebra import add, recompress
from lorarium.bases.base import Base
from lorarium.descriptors.gram import unit
from lorarium.descriptors.sketch import sketch
from lorarium.encoders.encode import encode
from lorarium.encoders.store import shipped
from lorarium.evaluation.describe.zoo import Zoo
from lorarium.evaluation.synth.targets import Target, pool
from lorarium.formats import read
from lorarium.synthesis.make import refined, synthesize
from lorarium.synthesis.store import Synth
from lorarium.training.fit import fit
from lorarium.training.mint import path_of
from lorarium.training.recipe import Job, Recipe

Array = np.ndarray
Make = Callable[[Sequence[Target]], list[Adapter | None]]
MEAN_RANK = 8
HEADS = {"style": "style", "subject": "identity"}
TOGETHER = 8  # trainings that run as one batch


@dataclass(frozen=True)
class SynthContender:
    """`plain`: drawn by the base with the genre or class in words. `generated`: another generator
    makes others of it."""

    name: str
    make: Make
    plain: bool = False
    generated: bool = False


def base_rows() -> list[SynthContender]:
    def alone(targets: Sequence[Target]) -> list[Adapter | None]:
        return [None] * len(targets)

    return [
        SynthContender("base, in words", alone, plain=True),
        SynthContender("base, no LoRA", alone),
    ]


def generated_rows(base: Base, synth: Synth, refine: Sequence[int] = (20,)) -> list[SynthContender]:
    """Ours, from 1, 4 and 12 pictures, and refined."""

    def from_(count: int, steps: int) -> Make:
        def make(targets: Sequence[Target]) -> list[Adapter | None]:
            adapters: list[Adapter | None] = []
            for t in targets:
                pictures, prompts = t.pictures[:count], t.prompts[:count]
                made = synthesize(synth, base, pictures, kind=t.kind)
                if steps:
                    made = refined(base, made, pictures, prompts, steps)
                adapters.append(made.adapter)
            return adapters

        return make

    plain = [
        SynthContender(f"generated, {n} pictures", from_(n, 0), generated=True) for n in (1, 4, 12)
    ]
    return plain + [
        SynthContender(f"generated, 12, refined {s}", from_(12, s), generated=True) for s in refine
    ]


def trained_row(base: Base, name: str, recipe: Recipe, count: int = 12) -> SynthContender:
    """A LoRA trained on the pictures; several at once, so that its time is of a share of a
    batch."""

    def make(targets: Sequence[Target]) -> list[Adapter | None]:
        adapters: list[Adapter | None] = []
        for start in range(0, len(targets), TOGETHER):
            jobs = [
                Job(
                    t.pictures[:count], t.prompts[:count], recipe, 1 + start + i,
                    mirror=t.kind == "style",
                )
                for i, t in enumerate(targets[start : start + TOGETHER])
            ]  # fmt: skip
            adapters += fit(base, jobs)
        return adapters

    return SynthContender(name, make)


def trained_rows(
    base: Base, kind: str, steps: Sequence[int], tuned: Recipe
) -> list[SynthContender]:
    """Short trainings of the usual recipe, and the tuned one."""
    usual = Recipe() if kind == "style" else Recipe(lr=5e-3)
    short = [
        trained_row(base, f"trained, {n} steps", replace(usual, steps=n, warmup=min(10, n // 3)))
        for n in steps
    ]
    return [*short, trained_row(base, "trained, tuned", tuned)]


class ZooAdapters:
    """The zoo's adapters of train artists or individuals, the usual recipe only, and what judge A
    sees of their pictures."""

    def __init__(self, zoo: Zoo, kind: str, size: int) -> None:
        entries = zoo.part(kind, "train")
        names = [e.recipe for e in entries if e.recipe != "random"]
        usual = max(sorted(set(names)), key=names.count) if names else ""
        self.kind, self.zoo, self.size = kind, zoo, size
        self.entries = [e for e in entries if e.recipe == usual]
        self.adapters = [read(path_of(zoo.folder, e)) for e in self.entries]
        self.judge = shipped("judge_a").net
        looks = {of: self._look(pool(kind, of, "train", range(12), size)[0])
                 for of in dict.fromkeys(e.of for e in self.entries)}  # fmt: skip
        self.looks = np.stack([looks[e.of] for e in self.entries]) if self.entries else np.empty(0)

    def _look(self, pictures: Array) -> Array:
        (vectors,) = encode(self.judge, pictures, HEADS[self.kind])
        return unit(vectors.mean(0, keepdims=True))[0]

    def mean(self) -> Adapter:
        count = len(self.adapters)
        return recompress(add(self.adapters, [1 / count] * count), rank=MEAN_RANK)[0]

    def nearest(self, target: Target) -> Adapter:
        """By what judge A sees of the pictures."""
        return self.adapters[int((self.looks @ self._look(target.pictures)).argmax())]

    def nearest_by_sketch(self, adapter: Adapter) -> Adapter:
        """The nearest to an adapter by the output side of its sketch."""
        known, asked = self._outputs, sketch(adapter).output
        mean = known.mean(0)
        return self.adapters[int((unit(known - mean) @ unit(asked - mean)).argmax())]

    @cached_property
    def _outputs(self) -> Array:
        return np.stack([sketch(adapter).output for adapter in self.adapters])


def zoo_rows(
    zoo_adapters: ZooAdapters, base: Base, synth: Synth, seed: int = 0
) -> list[SynthContender]:
    """What needs no learning of its own: the mean, any, the nearest by pictures, and the nearest by
    descriptor to what ours makes of the pictures."""
    if not zoo_adapters.entries:
        return []
    mean = zoo_adapters.mean()
    random = np.random.default_rng(seed)

    def any_(targets: Sequence[Target]) -> list[Adapter | None]:
        return [
            zoo_adapters.adapters[i]
            for i in random.integers(len(zoo_adapters.entries), size=len(targets))
        ]

    def nearest_by_sketch(targets: Sequence[Target]) -> list[Adapter | None]:
        made = [synthesize(synth, base, t.pictures, kind=t.kind).adapter for t in targets]
        return [zoo_adapters.nearest_by_sketch(adapter) for adapter in made]

    return [
        SynthContender("mean adapter", lambda targets: [mean] * len(targets)),
        SynthContender("any training adapter", any_),
        SynthContender(
            "nearest by pictures", lambda targets: [zoo_adapters.nearest(t) for t in targets]
        ),
        SynthContender("nearest by descriptor", nearest_by_sketch, generated=True),
    ]


def make_timed(
    row: SynthContender, targets: Sequence[Target]
) -> tuple[list[Adapter | None], float]:
    """The adapters of a row, and seconds for each."""
    started = time.perf_counter()
    made = row.make(targets)
    return made, (time.perf_counter() - started) / max(1, len(targets))
