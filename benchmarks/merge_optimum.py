"""How much of what ZipLoRA's optimum gains over the plain sum does LoRA.rar's network foretell?

    python benchmarks/merge_optimum.py ZOO --network lora_rar.safetensors [--base micro-2]

Pairs of the validation split of a merge zoo. The distance is the paper's: of what a merge says from
what each adapter alone says on its own pictures and prompts. The optimum is fitted for each pair,
for as many steps as said; all ways are asked with the same noise.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from machine import machine, save
from pages import fill_pages

from lorarium.adapter import Adapter, Module
from lorarium.bases.base import Base, mixed, open_base
from lorarium.bases.branches import Hook, applied
from lorarium.bases.stack import each
from lorarium.evaluation.describe.zoo import read_zoo
from lorarium.mergers import merge
from lorarium.recipes.merge import members
from lorarium.training.distil import AdapterEnsemble, DistillationSet, fit_gains

PAIRS, PLACES, SEED = 8, 64, 5
STEPS = (100, 400)  # of the optimum: what the method takes usually, and where it hardly falls


@torch.no_grad()
def distance(
    base: Base, merged: Mapping[Module, Hook], alone: list[Adapter], data: list[DistillationSet]
) -> float:
    """From what each says alone, at the same places for all that is merged."""
    total = 0.0
    for adapter, dataset in zip(alone, data, strict=True):
        random = torch.Generator().manual_seed(SEED)
        share = (torch.arange(PLACES) + torch.rand(PLACES, generator=random)) / PLACES
        t = base.sample_time(share.clamp(1e-4, 1 - 1e-4))
        index = torch.randint(len(dataset.latents), (PLACES,), generator=random)
        noise = torch.randn(PLACES, *dataset.latents.shape[1:], generator=random)
        x = mixed(base, dataset.latents[index], noise, t)
        text = base.encode([dataset.prompts[i] for i in index.tolist()])
        with applied(base, each(base, [adapter])):
            wanted = base.predict(x, t, text)
        with applied(base, merged):
            error = (base.predict(x, t, text) - wanted).square().flatten(1).mean(1)
        total += float((base.loss_weight(t) * error).mean())
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("zoo", type=Path)
    parser.add_argument("--network", type=Path, required=True)
    parser.add_argument("--base", default="micro-2")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    zoo, base = read_zoo(asked.zoo), open_base(asked.base)
    sides = [members(zoo, base, kind, "validation") for kind in ("subject", "style")]
    rows: dict[str, list[float]] = {}
    for number, pair in enumerate(list(zip(*sides, strict=False))[:PAIRS]):
        alone, data = [m.adapter for m in pair], [m.dataset for m in pair]
        ensemble = AdapterEnsemble(base, alone)
        ways = {
            "sum": ensemble.together(ensemble.ones()),
            "lora-rar": each(base, [merge(alone, method="lora-rar", network=asked.network)]),
        }
        for steps in STEPS:
            gains, _ = fit_gains(base, alone, data, steps=steps, seed=number)
            found = {
                m: [None if g is None else torch.from_numpy(g) for g in row]
                for m, row in gains.items()
            }
            ways[f"ziplora, {steps} steps"] = ensemble.together(found)
        for name, merged in ways.items():
            rows.setdefault(name, []).append(distance(base, merged, alone, data))
        print({name: round(values[-1], 4) for name, values in rows.items()}, flush=True)
    means = {name: float(np.mean(values)) for name, values in rows.items()}
    best = means["sum"] - min(means.values())
    document = {
        "machine": machine(), "base": base.hash, "pairs": rows, "means": means,
        "share of the optimum's gain": {n: (means["sum"] - v) / best for n, v in means.items()},
    }  # fmt: skip
    print(json.dumps(document["share of the optimum's gain"], indent=1))
    print("written to", save("merge_optimum", document))
    fill_pages()


if __name__ == "__main__":
    main()
