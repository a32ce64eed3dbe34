"""Bases to choose from, side by side: do they follow words, have they the true strokes?

    python benchmarks/bases.py draw micro-1 micro-2 [--sheet FILE]
    python benchmarks/bases.py speed micro-1 micro-2  # of training a LoRA on it
    python benchmarks/bases.py tally    # of results/bases_answers.json: a letter a row and voter

A base is a name, a folder, or the checkpoint of a training that is going on. Same prompts, same
views; judge A looks, which may choose, and the untrained distance of patches from true pictures of
the genre (1 is what a true picture has from the others). `--sheet FILE` draws both, in an order
that only `results/bases.json` knows, for somebody to look at blind.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import RESULTS, machine, save
from pages import fill_pages

from lorarium.bases.base import Base, open_base
from lorarium.bases.micro import Micro
from lorarium.bases.micro2 import base_of
from lorarium.bases.micro2_folder import ASSET as HEIR_ASSET
from lorarium.bases.micro2_folder import trained_with
from lorarium.bases.micro_base import ASSET, MicroBase
from lorarium.bases.sampling import sample
from lorarium.evaluation.judges import load_judge
from lorarium.evaluation.patches import relative_distance
from lorarium.formats.families.embedded import HEIR, ships
from lorarium.formats.header import load_header
from lorarium.pictures import enlarged, grid, labelled, write_png
from lorarium.recipes.base_stage import config_of
from lorarium.training.fit import Fit
from lorarium.training.recipe import Job, Recipe
from lorarium.world.scene import Style, Subject, View, render
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES, numbers

NAME, LETTERS = "bases", "ABCDEF"
SEED, STEPS, TRUE, TURNS = 11, 20, 24, 20


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
    base = open_base(name)
    if name == HEIR:
        return base, {"pictures": trained_with(HEIR_ASSET)["pictures"]}
    if not ships(name):
        return base, {}
    card = load_header(ASSET).metadata
    pictures = int(card["lorarium.steps"]) * json.loads(card["lorarium.recipe"])["batch"]
    return base, {"pictures": pictures, "hours": round(int(card["lorarium.seconds"]) / 3600, 2)}


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
    options.add_argument("what", choices=["draw", "speed", "tally"])
    options.add_argument("bases", nargs="*")
    options.add_argument("--per-genre", type=int, default=6)
    options.add_argument("--guidance", type=float)
    options.add_argument("--sheet", type=Path)
    asked = options.parse_args()
    known = RESULTS / f"{NAME}.json"
    document: dict[str, Any] = json.loads(known.read_text()) if known.exists() else {}
    if asked.what == "draw":
        document = draw(asked.bases, asked.per_genre, asked.guidance, asked.sheet)
    elif asked.what == "speed":
        document["training"] = {"machine": machine(), "cpu ms a picture": speeds(asked.bases)}
    else:
        answers = json.loads((RESULTS / f"{NAME}_answers.json").read_text())
        document["votes"] = {"by": answers["by"]} | {
            question: [tally(document["sheet"], letters) for letters in by_voter.values()]
            for question, by_voter in answers["questions"].items()
        }
    save(NAME, document)
    if {"bases", "training", "votes"} <= document.keys():
        fill_pages()


def draw(
    names: list[str], per_genre: int, guidance: float | None, sheet: Path | None
) -> dict[str, Any]:
    rows = cells(per_genre)
    prompts = [f"a {kind} in {genre}" for kind, genre in rows]
    document: dict[str, Any] = {"machine": machine(), "prompts": len(prompts), "bases": {}}
    drawn = []
    for name in names:
        base, told = opened(name)
        made = sample(base, prompts, steps=STEPS, seed=SEED, guidance=guidance, batch=32)
        document["bases"][name] = {**told, **figures(made, rows)}
        print(name, document["bases"][name], flush=True)
        drawn.append(made)
    size = drawn[0].shape[1]
    true = np.concatenate([true_pictures(g, per_genre, size) for g in SEEN_GENRES])
    document["true"] = {"strokes": figures(true, rows)["strokes"]}
    if sheet:
        random = np.random.default_rng([SEED, 1])
        chosen = random.permutation(len(rows))[:12]
        order = [list(map(int, random.permutation(len(drawn)))) for _ in chosen]
        tiles = [drawn[k][i] for i, row in zip(chosen, order, strict=True) for k in row]
        words = [" ".join(rows[i][::-1]) for i in chosen]
        big = enlarged(np.stack(tiles), 3)
        letters = LETTERS[: len(drawn)]
        write_png(sheet, labelled(grid(big, len(drawn)), letters, words, big.shape[1]), force=True)
        document["sheet"] = [[names[k] for k in row] for row in order]
    return document


def speeds(names: list[str]) -> dict[str, float]:
    """Processor milliseconds of a picture in a step of training, bases by turns, the least of
    all: what others do on the machine only lengthens it."""
    runs = {}
    for name in names:
        base, _ = opened(name)
        pictures = true_pictures("ink", 12, base.size)
        job = Job(pictures, ("a cat in sty1",) * 12, Recipe(steps=1000))
        runs[name] = Fit(base, [job])
    best = dict.fromkeys(names, float("inf"))
    for _ in range(TURNS):
        for name, run in runs.items():
            began = time.process_time()
            run.step()
            best[name] = min(best[name], 1000 * (time.process_time() - began) / Recipe().batch)
    return {name: round(ms, 2) for name, ms in best.items()}


def tally(sheet: list[list[str]], letters: str) -> dict[str, int]:
    """How often each base was chosen, and neither."""
    counts = dict.fromkeys([*sorted(sheet[0]), "neither"], 0)
    for row, letter in zip(sheet, letters.split(), strict=True):
        counts["neither" if letter == "=" else row[LETTERS.index(letter)]] += 1
    return counts


if __name__ == "__main__":
    main()
