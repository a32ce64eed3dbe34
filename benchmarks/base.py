"""Does micro-1 follow prompts, and do its LoRAs learn artists and individuals? Judge B reports.

python benchmarks/base.py [--artists N] [--individuals N] [--recipe train|zoo] [--judge b]

`--recipe train`: the defaults of `lorarium train`; `zoo`: the shorter recipes R0 and S0 of the zoo.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from typing import Any

import torch
from machine import machine, save

from lorarium.evaluate.base_checks import follows_prompts, style_loras, subject_loras
from lorarium.evaluate.judges import load_judge
from lorarium.models.base import open_base
from lorarium.recipes.zoo import manifest
from lorarium.train.manifest import Entry
from lorarium.train.recipe import Recipe


def entries(kind: str, recipe: str, count: int, ours: bool) -> list[Entry]:
    """The first copy of test members in the main recipe, or with the trainer's defaults, spread
    over genres or classes."""
    found = [
        e
        for e in manifest().entries
        if e.kind == kind and e.split == "test" and e.id.endswith(f"-{recipe}-0")
    ]
    chosen = found[:: max(1, len(found) // count)][:count]
    return [replace(e, numbers=Recipe()) for e in chosen] if ours else chosen


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--artists", type=int, default=16)
    options.add_argument("--individuals", type=int, default=16)
    options.add_argument("--recipe", default="train", choices=("train", "zoo"))
    options.add_argument("--judge", default="b")
    options.add_argument("--base")
    options.add_argument("--threads", type=int, default=2)
    asked = options.parse_args()
    torch.set_num_threads(asked.threads)
    ours = asked.recipe == "train"
    base, judge, start = open_base(asked.base), load_judge(asked.judge), time.time()
    figures: dict[str, Any] = {
        "command": f"benchmarks/base.py --recipe {asked.recipe}",
        "machine": machine(),
        "seeds": [5, 6, 7],
        "base": base.hash[:16],
        "judge": asked.judge,
        "prompts": follows_prompts(base, judge),
    }
    print(json.dumps(figures["prompts"], indent=1), flush=True)
    figures["style LoRAs"] = style_loras(base, judge, entries("style", "R0", asked.artists, ours))
    print(json.dumps(figures["style LoRAs"], indent=1), flush=True)
    figures["subject LoRAs"] = subject_loras(
        base, judge, entries("subject", "S0", asked.individuals, ours)
    )
    print(json.dumps(figures["subject LoRAs"], indent=1), flush=True)
    figures["seconds"] = round(time.time() - start)
    print(save("base" if ours else "base_zoo", figures))


if __name__ == "__main__":
    main()
