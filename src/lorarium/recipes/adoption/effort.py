"""How much is made for a base: adapters, and pictures to learn from. The larger, the better."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

from lorarium.files import read_text
from lorarium.formats.families.embedded import EMBEDDED
from lorarium.recipes import merge, synth, zoo
from lorarium.recipes.cell_teachers import CELLS
from lorarium.recipes.describe_data import MIN_ARTISTS
from lorarium.training.manifest import OWN, Entry, Manifest, manifest_of
from lorarium.training.own_pictures import PROMPTS, OwnPictures
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES

PAIRS, ROLE_PICTURES, SYNTH_PICTURES = 24_000, 40_000, 525_000  # of a whole effort
SHARES = (1.0, 0.5, 0.25, 0.1, 0.02)
LEARNED_FROM = MIN_ARTISTS // 2 + 4  # artists, and individuals, at least
OWN_RECIPES = {"style": ("R0", "R0", "R1"), "subject": ("S0", "S0", "S1")}
FEW, LEAST = 0.5, 0.1  # below the one there are fewer adapters of a person, below the other fewest


@dataclass(frozen=True)
class Tuning:
    """How adapters are trained on a base: its own rate, as a share of the embedded base's, and
    the pictures of a step."""

    rate: float = 1.0
    steps: float = 1.0  # times as many
    batch: int = 4

    @staticmethod
    def usual(family: str) -> Tuning:
        """Before anything was measured."""
        return Tuning() if family in EMBEDDED else Tuning(rate=0.02, steps=2.0, batch=1)


@dataclass(frozen=True)
class Effort:
    """A share of what was made for the base that ships."""

    share: float
    tuning: Tuning
    left_out: frozenset[str] = frozenset()  # classes and genres that the base cannot draw
    own: tuple[OwnPictures, ...] = ()  # of artists and things that the world does not have

    def zoo(self) -> Manifest:
        drawn = self._scaled(zoo.RECIPE)
        return replace(drawn, entries=(*drawn.entries, *own_entries(self.own, drawn)))

    def merge_zoo(self) -> Manifest:
        return self._scaled(merge.RECIPE)

    def synth_zoo(self) -> Manifest:
        return self._scaled(synth.RECIPE)

    def cells(self) -> int:
        """How many teachers `roles` learns from."""
        return max(2, round(self.share * CELLS))

    def amount(self, whole: int, batch: int) -> int:
        """A share of a whole number of pictures, in whole steps."""
        return max(2, round(self.share * whole / batch)) * batch

    def _scaled(self, recipe: Path) -> Manifest:
        values = tomllib.loads(read_text(recipe, "the recipe"))
        for numbers in values["recipes"].values():
            self._retune(numbers)
        if "random" in values:
            low, high = values["random"]["lr"]
            values["random"]["lr"] = [self.tuning.rate * low, self.tuning.rate * high]
            values["random"]["steps"] = [self._steps(n) for n in values["random"]["steps"]]
            values["random"]["batch"] = [self.tuning.batch]
        for kind in ("styles", "subjects"):
            seen = SEEN_GENRES if kind == "styles" else SEEN_CLASSES
            groups = [self._fewer(group, seen) for group in values[kind]]
            values[kind] = [group for group in groups if group["of"]]
        return manifest_of(values, recipe)

    def _retune(self, numbers: dict[str, Any]) -> None:
        numbers["lr"] = self.tuning.rate * numbers["lr"]
        numbers["steps"] = self._steps(numbers["steps"])
        numbers["batch"] = self.tuning.batch

    def _steps(self, steps: int) -> int:
        return max(1, round(self.tuning.steps * steps))

    def _fewer(self, group: dict[str, Any], seen: Sequence[str]) -> dict[str, Any]:
        """A group of a recipe file with fewer people, of kinds that the base can draw."""
        group, train = dict(group), group["split"] == "train"
        copies, others = group.get("copies", 4), group.get("others", 3)
        if self.share < FEW:  # of one person fewer adapters
            copies = min(copies, 1 if train and self.share < LEAST else 2)
            others = min(others, 1 if copies or self.share < LEAST else 2)
            group["random"] = 0
        group |= {"copies": copies, "others": others}
        share = max(self.share, LEAST)  # a handful is too few to learn or to judge anything from
        several = train and group["each"] > 1 and self.share >= LEAST
        group["each"] = max(2 if several else 1, ceil(share * group["each"]))
        if self.share < LEAST:
            group["each"] = 1
        if "most" in group:
            group["most"] = max(4, ceil(share**0.5 * group["most"]))
        of = group.get("of", "seen")
        if of != "held":
            words = [word for word in (seen if of == "seen" else of) if word not in self.left_out]
            group["of"] = words if train or self.share >= LEAST else words[::2]
            if train and words and self.share < 1:  # maps of fewer people are not learned
                group["each"] = max(group["each"], ceil(LEARNED_FROM / len(words)))
        return group


def own_entries(own: Sequence[OwnPictures], zoo: Manifest) -> list[Entry]:
    """The adapters of somebody's own pictures, as many of each as of an artist that is drawn."""
    return [
        Entry(
            f"own-{i}-{name}-{copy}", one.kind, (str(one.folder), 0), OWN, name, zoo.recipes[name],
            1 + 10 * i + copy, 1 + 10 * i + copy, (), PROMPTS[one.kind],
        )
        for i, one in enumerate(own)
        for copy, name in enumerate(OWN_RECIPES[one.kind])
    ]  # fmt: skip
