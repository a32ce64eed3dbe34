"""Folders that look minted: planted adapters under a manifest of our own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lorarium.formats import write
from lorarium.training.manifest import Entry, Manifest
from lorarium.training.mint import MANIFEST, path_of
from lorarium.training.recipe import Recipe
from tests.descriptors.planted import planted

START = {"test": 0, "validation": 1000, "train": 2000}
RECIPES = {"R0": Recipe(rank=4, steps=100), "R1": Recipe(rank=6, steps=50)}


def minted(
    folder: Path,
    splits: dict[str, int] | None = None,  # artists of each genre
    genres: tuple[str, ...] = ("ink", "oil"),
    *,
    copies: int = 3,
    kind: str = "style",
    content: float = 1.5,
) -> Path:
    """`copies` in R0 from one start, one each in R1 and a random recipe from their own."""
    entries, adapters = [], []
    for split, each in (splits or {"test": 2}).items():
        for g, n in ((g, n) for g in range(len(genres)) for n in range(each)):
            of = (genres[g], START[split] + n)
            plan = [("R0", c) for c in range(copies)] + [("R1", 0), ("random", 0)]
            for i, (name, copy) in enumerate(plan):
                recipe = RECIPES.get(name, Recipe(rank=3, steps=80))
                id = f"{kind}-{of[0]}-{of[1]}-{name}-{copy}"
                pictures = tuple(range(i, i + 3 + (g + n + i) % 3))
                entries.append(Entry(id, kind, of, split, name, recipe, i, i, pictures))
                init = 7 if name == "R0" else None
                style = 10_000 * g + of[1]
                made = planted(style, i, init=init, r=recipe.rank, content=content)
                adapters.append(made.with_(dialect="diffusers"))
    manifest = Manifest("planted", RECIPES, tuple(entries))
    folder.mkdir(parents=True, exist_ok=True)
    text = manifest.text().replace("{", '{"base_hash": "abc", ', 1)
    (folder / MANIFEST).write_text(text)
    for entry, adapter in zip(entries, adapters, strict=True):
        write(adapter, path_of(folder, entry))
    return folder


def noise(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
