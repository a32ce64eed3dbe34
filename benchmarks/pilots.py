"""Two bases at equal machine time: do their pictures follow words, and have they the true strokes?

    python benchmarks/pilots.py micro-1 runs/unet/a/checkpoint.pt [--per-genre 6] [--guidance 2]

A base is a name, a folder, or the checkpoint of a training that is going on. Same prompts, same
views; judge A looks, which may choose, and the untrained distance of patches from true pictures of
the genre (1 is what a true picture has from the others). `--sheet FILE` draws both, in an order
that only `results/pilots.json` knows, for somebody to look at blind.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import machine, save

from lorarium.bases.base import Base, open_base
from lorarium.bases.micro import Micro
from lorarium.bases.micro2 import base_of
from lorarium.bases.micro_base import MicroBase
from lorarium.bases.sampling import sample
from lorarium.evaluation.judges import load_judge
from lorarium.evaluation.patches import relative_distance
from lorarium.pictures import enlarged, grid, labelled, write_png
from lorarium.recipes.base_stage import config_of
from lorarium.world.scene import Style, Subject, View, render
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES, numbers

SEED, STEPS, TRUE = 11, 20, 24


def opened(name: str) -> tuple[Base, dict[str, Any]]:
    """A base, and what is known of its training."""
    if name.endswith(".pt"):
        state = torch.load(name, map_location="cpu", weights_only=True)
        hours = round(state["seconds"] / 3600, 2)
        if "unet" in state:
            return base_of(state), {"pictures": state["pictures"], "hours": hours}
        model = Micro(config_of(Path(name)))
        model.load_state_dict(state["averaged"])
        recipe = json.loads(Path(name).with_name("recipe.json").read_text())
        pictures = state["step"] * recipe["recipe"]["batch"]
        return MicroBase(model), {"pictures": pictures, "hours": hours}
    return open_base(name), {}


def cells(per_genre: int) -> list[tuple[str, str]]:
    random = np.random.default_rng(SEED)
    return [(str(k), g) for g in SEEN_GENRES for k in random.permutation(SEEN_CLASSES)[:per_genre]]


def true_pictures(genre: str, count: int, size: int) -> np.ndarray:
    """Individuals and artists of the validation split in a genre."""
    random = np.random.default_rng([SEED, *genre.encode()])
    kinds = random.choice(SEEN_CLASSES, count)
    people, artists, views = (numbers("validation", count, random) for _ in range(3))
    return render(
        [Subject(str(k), i) for k, i in zip(kinds, people, strict=True)],
        [Style(genre, i) for i in artists],
        [View(i) for i in views],
        size,
    )


def figures(pictures: np.ndarray, rows: list[tuple[str, str]]) -> dict[str, Any]:
    judge = load_judge("a")
    kinds, genres = (np.array(words) for words in zip(*rows, strict=True))
    distances = [
        relative_distance(pictures[genres == g], true_pictures(g, TRUE, pictures.shape[1]))
        for g in SEEN_GENRES
    ]
    return {
        "class": round(float((np.array(judge.class_of(pictures)) == kinds).mean()), 3),
        "genre": round(float((np.array(judge.genre_of(pictures)) == genres).mean()), 3),
        "strokes": round(float(np.mean([d.mean() for d in distances])), 3),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("bases", nargs="+")
    options.add_argument("--per-genre", type=int, default=6)
    options.add_argument("--guidance", type=float)
    options.add_argument("--sheet", type=Path)
    asked = options.parse_args()
    rows = cells(asked.per_genre)
    prompts = [f"a {kind} in {genre}" for kind, genre in rows]
    document: dict[str, Any] = {"machine": machine(), "prompts": len(prompts), "bases": {}}
    drawn = []
    for name in asked.bases:
        base, told = opened(name)
        began = time.process_time()
        made = sample(base, prompts, steps=STEPS, seed=SEED, guidance=asked.guidance, batch=32)
        seconds = (time.process_time() - began) / len(prompts)
        document["bases"][name] = {**told, **figures(made, rows), "seconds a picture": seconds}
        print(name, document["bases"][name], flush=True)
        drawn.append(made)
    random = np.random.default_rng([SEED, 1])
    true = np.concatenate(
        [true_pictures(g, asked.per_genre, drawn[0].shape[1]) for g in SEEN_GENRES]
    )
    document["true"] = {"strokes": figures(true, rows)["strokes"]}
    if asked.sheet:
        chosen = random.permutation(len(rows))[:12]
        order = [list(map(int, random.permutation(len(drawn)))) for _ in chosen]
        tiles = [drawn[k][i] for i, row in zip(chosen, order, strict=True) for k in row]
        words = [" ".join(rows[i][::-1]) for i in chosen]
        across = [chr(ord("A") + k) for k in range(len(drawn))]
        big = enlarged(np.stack(tiles), 3)
        sheet = labelled(grid(big, len(drawn)), across, words, big.shape[1])
        write_png(asked.sheet, sheet, force=True)
        document["sheet"] = [[asked.bases[k] for k in row] for row in order]
    print(document["true"])
    save("pilots", document)


if __name__ == "__main__":
    main()
