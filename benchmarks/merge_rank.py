"""LoRA.rar's network on adapters of other ranks and recipes than it learned from (4 and 8).

    python benchmarks/merge_rank.py runs/merge/zoo --other runs/zoo

How far merged pairs are from each adapter alone (the distillation loss), with the network and as
the plain sum, on the same test pairs, times and noise: as they are, cut to ranks 4 and 2, and with
styles of another zoo's recipes (R1: attention only, R2 and R4: rank 16, R5: weak) if there is one.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from machine import machine, save

from lorarium.adapter import Adapter
from lorarium.algebra import recompress
from lorarium.bases.base import Base, open_base
from lorarium.bases.rounded import rounded
from lorarium.evaluation.describe.zoo import read_zoo
from lorarium.mergers.lora_rar import ASSET, load_network
from lorarium.recipes.merge import learned_net, members
from lorarium.training.merger import Member, PairedAdapters, distance

RECIPES = ("R1", "R2", "R4", "R5")
MOST = 14


def cut(rank: int | None) -> Callable[[Adapter], Adapter]:
    return lambda adapter: adapter if rank is None else recompress(adapter, rank=rank)[0]


def changed(side: list[Member], change: Callable[[Adapter], Adapter]) -> list[Member]:
    return [Member(change(m.adapter), m.dataset) for m in side]


def measured(base: Base, subjects: list[Member], styles: list[Member]) -> dict[str, float]:
    paired = PairedAdapters(base, subjects, styles)
    with rounded(base):
        distances = {
            "sum": distance(paired, None),
            "lora-rar": distance(paired, learned_net(load_network(ASSET))),
        }
    return {name: round(value, 5) for name, value in distances.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("zoo", type=Path)
    parser.add_argument("--other", type=Path)
    asked = parser.parse_args()
    base, zoo = open_base(), read_zoo(asked.zoo)
    subjects, styles = (
        members(zoo, base, kind, "test", f"{kind}")[:MOST] for kind in ("subject", "style")
    )
    rows = {}
    for rank in (None, 4, 2):
        name = "as they are" if rank is None else f"cut to rank {rank}"
        rows[name] = measured(base, *(changed(side, cut(rank)) for side in (subjects, styles)))
        print(name, rows[name], flush=True)
    for recipe in RECIPES if asked.other else ():
        others = members(read_zoo(asked.other), base, "style", "test", recipe)[:MOST]
        rows[f"styles of {recipe}"] = measured(base, subjects, others)
        print(recipe, rows[f"styles of {recipe}"], flush=True)
    where = save("merge_rank", {"machine": machine(), "base_hash": base.hash, "rows": rows})
    print("written to", where)


if __name__ == "__main__":
    main()
