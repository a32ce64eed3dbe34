"""A folder of minted adapters and its manifest: who is where, with which recipe, in which split."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lorarium.adapter import Adapter, Array
from lorarium.descriptors.sketch import Sketch, sketch
from lorarium.errors import LorariumError
from lorarium.files import exists, read_text
from lorarium.formats import read
from lorarium.training.manifest import Entry
from lorarium.training.mint import MANIFEST, MOST_MANIFEST, path_of
from lorarium.training.recipe import recipe_from

RANDOM = "random"


@dataclass(frozen=True)
class Zoo:
    folder: Path
    name: str
    base_hash: str
    entries: tuple[Entry, ...]  # those whose file is there
    missing: int

    def part(self, kind: str, split: str) -> list[Entry]:
        return [e for e in self.entries if (e.kind, e.split) == (kind, split)]


def read_zoo(folder: Path) -> Zoo:
    """The adapters of a minted folder that are there, by its manifest."""
    where = folder / MANIFEST
    if not exists(where):
        hint = "name a folder made by `lorarium mint`"
        raise LorariumError("no manifest", where=str(where), hint=hint)
    try:
        table = json.loads(read_text(where, "the manifest", MOST_MANIFEST))
        recipes = {name: recipe_from(numbers) for name, numbers in table["recipes"].items()}
        entries = [_entry(row, recipes) for row in table["entries"]]
        name, base_hash = str(table["name"]), str(table["base_hash"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise LorariumError(f"not a manifest ({error})", where=str(where)) from None
    there = tuple(e for e in entries if path_of(folder, e).is_file())
    return Zoo(folder, name, base_hash, there, len(entries) - len(there))


def _entry(row: dict[str, Any], recipes: dict[str, Any]) -> Entry:
    id, (word, number) = str(row["id"]), row["of"]
    if id != Path(id).name or id.startswith("."):
        raise ValueError("an id that is no file name")
    numbers = recipe_from(row["numbers"]) if row["recipe"] == RANDOM else recipes[row["recipe"]]
    return Entry(
        id, str(row["kind"]), (str(word), int(number)), str(row["split"]), str(row["recipe"]),
        numbers, int(row["seed"]), int(row["init_seed"]), tuple(map(int, row["pictures"])),
        str(row.get("prompt", "")), bool(row.get("captioned", True)),
        int(row.get("word", 1)),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Corpus:
    """Adapters of one kind and split. An artist stands for an individual too, a group for a
    class. `usual` is the recipe that has copies; the others are queries."""

    entries: tuple[Entry, ...]
    adapters: tuple[Adapter, ...]
    paths: tuple[Path, ...] = ()

    @cached_property
    def sketches(self) -> tuple[Sketch, ...]:
        return tuple(sketch(adapter) for adapter in self.adapters)

    @cached_property
    def artist(self) -> Array:
        return _numbered([e.of for e in self.entries])

    @cached_property
    def group(self) -> Array:
        return _numbered([e.of[0] for e in self.entries])

    @cached_property
    def recipe(self) -> Array:
        return np.array([e.recipe for e in self.entries])

    @cached_property
    def usual(self) -> str:
        names, counts = np.unique(self.recipe[self.recipe != RANDOM], return_counts=True)
        if not len(names):
            raise LorariumError("every adapter here is of a random recipe")
        return str(names[counts.argmax()])

    @cached_property
    def copy(self) -> Array:
        """Which adapter of its artist and recipe each one is."""
        seen: dict[tuple[int, str], int] = {}
        numbers = []
        for key in zip(self.artist.tolist(), self.recipe.tolist(), strict=True):
            numbers.append(seen.get(key, 0))
            seen[key] = numbers[-1] + 1
        return np.array(numbers, np.intp)


def load(zoo: Zoo, kind: str, split: str, max_artists: int | None = None) -> Corpus:
    """The adapters of a kind and split; `most` artists at most, spread over the groups."""
    entries = zoo.part(kind, split)
    if max_artists is not None:
        artists = list(dict.fromkeys(e.of for e in entries))
        chosen = (
            np.linspace(0, len(artists) - 1, min(max_artists, len(artists))).round().astype(int)
        )
        subset = {artists[i] for i in chosen}
        entries = [e for e in entries if e.of in subset]
    paths = tuple(path_of(zoo.folder, e) for e in entries)
    return Corpus(tuple(entries), tuple(read(path) for path in paths), paths)


def _numbered(labels: Sequence[object]) -> Array:
    names = {label: i for i, label in enumerate(dict.fromkeys(labels))}
    return np.array([names[label] for label in labels], np.intp)
