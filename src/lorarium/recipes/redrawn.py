"""Shards' pictures as a base draws them anew from some noise, with genre and class as words.

    python -m lorarium.recipes.redrawn SHARDS FOLDER --rows 16

A little noise leaves who is shown and by whose hand; much noise leaves the scene alone, and what is
drawn there is what a model thinks of the words. Between the two lies what nothing is learned from.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
import torch

from lorarium.bases.base import Base, mixed, open_base
from lorarium.bases.sampling import step
from lorarium.recipes.drawn_bank import Held
from lorarium.recipes.shards import Shard, load, shard_paths
from lorarium.world.words import prompt

Array = np.ndarray
STEPS = 4
SAME = {"artist": 0.35, "person": 0.35}  # noise up to which it is still theirs
OTHER = {"artist": 0.85, "person": 0.65}  # from which it is not


@torch.no_grad()
def redraw(base: Base, shard: Shard, rows: Array, times: Array, seed: int) -> Array:
    """These rows of a shard, each noised up to its time and cleaned from there with guidance."""
    styles, subjects = shard.styles(), shard.subjects()
    words = [prompt(subjects[i], styles[i]) for i in rows]
    text = base.encode([w for word in words for w in (word, "")])
    true = torch.from_numpy(shard.pictures[rows]).permute(0, 3, 1, 2).float() / 127.5 - 1
    random = torch.Generator().manual_seed(seed)
    clean = base.to_latent(true)
    start = torch.from_numpy(times).float()
    x = mixed(base, clean, torch.randn(clean.shape, generator=random), start)
    for i in range(STEPS):
        now, then = start * (1 - i / STEPS), start * (1 - (i + 1) / STEPS)
        both = base.predict(x.repeat_interleave(2, 0), now.repeat_interleave(2), text)
        guided, unguided = both.unflatten(0, (-1, 2)).unbind(1)
        x = step(base, x, unguided + base.guidance * (guided - unguided), now, then)
    pictures = base.to_pictures(x).clamp(-1, 1).permute(0, 2, 3, 1)
    return ((pictures + 1) * 127.5).round().to(torch.uint8).numpy()


def redrawn_rows(
    path: Path, person: Array, count: int, random: np.random.Generator
) -> list[tuple[Array, Held]]:
    """What is kept of a shard, held against its own people; `person` says who is in its rows."""
    if not path.exists():
        return []
    with np.load(path, allow_pickle=False) as kept:
        pictures, rows, times = kept["pictures"], kept["rows"], kept["times"]
    drawn = []
    for aspect, place in (("artist", rows // 4), ("person", person[rows])):
        truth = np.where(times <= SAME[aspect], 1.0, np.where(times >= OTHER[aspect], 0.0, np.nan))
        chosen = random.permutation(np.flatnonzero(~np.isnan(truth)))[: count // 2]
        if len(chosen):
            held = Held(aspect, place[chosen], truth[chosen].astype(np.float32), "redrawn")
            drawn.append((pictures[chosen], held))
    return drawn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shards", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=16, help="of each shard")
    parser.add_argument("--minutes", type=float, default=30)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    asked.folder.mkdir(parents=True, exist_ok=True)
    base, random = open_base(), np.random.default_rng()
    end = time.time() + 60 * asked.minutes
    while time.time() < end:
        todo = [p for p in shard_paths(asked.shards) if not (asked.folder / p.name).exists()]
        if not todo:
            time.sleep(5)
            continue
        path = todo[int(random.integers(len(todo)))]
        shard = load(path)
        rows = random.permutation(len(shard.person))[: asked.rows]
        times = random.permutation(np.linspace(0.08, 0.97, asked.rows))
        pictures = redraw(base, shard, rows, times, int(random.integers(2**40)))
        beside = asked.folder / f".{os.getpid()}-{path.name}"
        np.savez(beside, pictures=pictures, rows=rows, times=times)
        beside.rename(asked.folder / path.name)


if __name__ == "__main__":
    main()
