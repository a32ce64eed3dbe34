"""Does micro-1 follow prompts, and do its LoRAs learn artists and individuals? Judge B reports.

python benchmarks/base.py [--artists N] [--individuals N] [--recipe train|zoo] [--judge b]

`--recipe train`: the defaults of `lorarium train`; `zoo`: the shorter recipes R0 and S0 of the zoo.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from typing import Any

import torch
from machine import machine, save
from pages import fill_pages

from lorarium.bases.base import open_base
from lorarium.evaluation.base_checks import follows_prompts, style_loras, subject_loras
from lorarium.evaluation.judges import load_judge
from lorarium.recipes.zoo import manifest
from lorarium.training.manifest import Entry
from lorarium.training.recipe import defaults
from lorarium.world.splits import SEEN_GENRES


def entries(kind: str, recipe: str, count: int, ours: bool) -> list[Entry]:
    """The first copy of test members in the main recipe, spread over genres or classes; or what a
    user would do for them: the trainer's defaults on twelve (five) captioned pictures."""
    matches = [
        e
        for e in manifest().entries
        if e.kind == kind
        and e.split == "test"
        and e.id.endswith(f"-{recipe}-0")
        and (kind == "subject" or e.of[0] in SEEN_GENRES)  # the floor needs a word for the genre
    ]
    chosen = matches[:: max(1, len(matches) // count)][:count]
    usual = defaults("micro-1", "a {} in sty1" if kind == "style" else "a sub1")
    pictures = tuple(range(12 if kind == "style" else 5))
    users = [replace(e, numbers=usual, pictures=pictures, captioned=True) for e in chosen]
    return users if ours else chosen


def part(
    kind: str, chosen: list[Entry], judge: str, base: str | None, ours: bool
) -> dict[str, Any]:
    torch.set_num_threads(1)
    measure = subject_loras if kind == "subject" else partial(style_loras, mirror=ours)
    return measure(open_base(base), load_judge(judge), chosen, say=lambda text: print(kind, text))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--artists", type=int, default=16)
    options.add_argument("--individuals", type=int, default=16)
    options.add_argument("--recipe", default="train", choices=("train", "zoo"))
    options.add_argument("--judge", default="b")
    options.add_argument("--base")
    asked = options.parse_args()
    torch.set_num_threads(1)
    ours = asked.recipe == "train"
    counts = {"style": ("R0", asked.artists), "subject": ("S0", asked.individuals)}
    base, judge, start = open_base(asked.base), load_judge(asked.judge), time.time()
    # two processes of one thread each use two cores best
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        running = {
            kind: pool.submit(
                part, kind, entries(kind, *chosen, ours), asked.judge, asked.base, ours
            )
            for kind, chosen in counts.items()
        }
        figures: dict[str, Any] = {
            "command": f"benchmarks/base.py --recipe {asked.recipe} --artists {asked.artists} "
            f"--individuals {asked.individuals}",
            "machine": machine(),
            "seeds": [5, 6, 7],
            "base": base.hash[:16],
            "judge": asked.judge,
            "prompts": follows_prompts(base, judge),
        }
        figures |= {f"{kind} LoRAs": future.result() for kind, future in running.items()}
    print(json.dumps({k: v for k, v in figures.items() if k != "machine"}, indent=1), flush=True)
    figures["seconds"] = round(time.time() - start)
    print(save("base" if ours else "base_zoo", figures))
    if ours:
        fill_pages()


if __name__ == "__main__":
    main()
