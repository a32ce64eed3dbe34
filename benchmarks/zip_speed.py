"""How much sooner LoRA.rar's network has its coefficients than ZipLoRA, which optimises them.

    OMP_NUM_THREADS=2 python benchmarks/zip_speed.py runs/merge/zoo

On pairs of test adapters of the world, both measured here: the network's coefficients of all
modules (warm, median of 100), and ZipLoRA at the fewest steps of a list whose validation loss
(other pictures, fixed noise) lies within 1% of that of the longest run. For SDXL with rank-64
adapters the same ratio by counting operations, which is derived and not measured: the network's
from its products, ZipLoRA's from torch's count of one pass of the UNet at 1024 pixels.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from machine import machine, save

from lorarium.bases.base import Base, open_base
from lorarium.evaluation.base_checks import reference_pictures
from lorarium.evaluation.describe.zoo import read_zoo
from lorarium.evaluation.merge.cells import Cell, members, table
from lorarium.formats import read
from lorarium.mergers.lora_rar import ASSET, Network, load_network
from lorarium.training.distil import AdapterEnsemble, DistillationSet, distillation, fit_gains
from lorarium.training.manifest import pool_cell
from lorarium.training.mint import job_of

STEPS = (2, 5, 10, 15, 20, 30, 40, 60, 80, 100, 150, 200)
NEAR = 1.01
SDXL: dict[str, Any] = {
    "sample_size": 128, "block_out_channels": (320, 640, 1280), "layers_per_block": 2,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10), "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048, "use_linear_projection": True,
    "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}  # fmt: skip


def distillation_set(base: Base, cell: Cell, k: int, *, seen: bool) -> DistillationSet:
    """What an adapter was trained on, or pictures that it has not seen."""
    entry = cell.entries[k]
    if seen:
        job = job_of(entry, base)
        pictures, prompts = job.pictures, job.prompts
    else:
        pictures = reference_pictures(entry, base.size)
        others = [i for i in range(32) if i not in entry.pictures][: len(pictures)]
        prompts = tuple(pool_cell(entry, i)[3] for i in others)
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    return DistillationSet(base.to_latent(x), prompts)


def zip_lora(base: Base, cell: Cell) -> dict[str, Any]:
    adapters = [read(path) for path in cell.paths]
    learned, held_out = (
        [distillation_set(base, cell, k, seen=s) for k in (0, 1)] for s in (True, False)
    )
    ensemble = AdapterEnsemble(base, adapters)

    def validation(gains: Any) -> float:
        rows = {
            m: [None if g is None else torch.as_tensor(g) for g in row] for m, row in gains.items()
        }
        with torch.no_grad():
            random = torch.Generator().manual_seed(99)
            values = [distillation(ensemble, held_out, rows, random, 16) for _ in range(4)]
        return float(torch.stack(values).mean())

    curve = {0: validation(ensemble.ones())}
    seconds = {}
    for steps in STEPS:
        began = time.perf_counter()
        gains, _ = fit_gains(base, adapters, learned, steps=steps)
        seconds[steps] = time.perf_counter() - began
        curve[steps] = validation(gains)
    enough = next(steps for steps in STEPS if curve[steps] <= NEAR * curve[STEPS[-1]])
    return {"validation": curve, "steps": enough, "seconds": seconds[enough]}


def network(net: Network, cell: Cell) -> float:
    a, b = (read(path) for path in cell.paths)
    read_by_it = [m for m in a if m in b and net.reads(m, a[m])]
    times = []
    for _ in range(105):
        began = time.perf_counter()
        for module in read_by_it:
            net.coefficients(a[module], b[module])
        times.append(time.perf_counter() - began)
    return statistics.median(times[5:])


def sdxl(steps: int, rank: int = 64, hidden: int = 128) -> dict[str, float]:
    """Operations, a multiplication and an addition counted as two."""
    from diffusers import UNet2DConditionModel
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        unet = UNet2DConditionModel(**SDXL)
        more = {"text_embeds": torch.zeros(1, 1280), "time_ids": torch.zeros(1, 6)}
        inputs = torch.zeros(1, 4, 128, 128), torch.zeros(1), torch.zeros(1, 77, 2048)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            unet(*inputs, added_cond_kwargs=more)
    one = float(counter.get_total_flops())
    rar = 0.0
    for path, layer in unet.named_modules():
        if path.endswith((".to_q", ".to_out.0")) and isinstance(layer, torch.nn.Linear):
            out, n = layer.weight.shape
            rar += 2 * (2 * hidden * out * rank + 2 * hidden * rank * n) + 4 * hidden * n
    # a step: each adapter alone without gradients, both together with (backward counts twice)
    zipped = steps * 2 * (one + 3 * one)
    return {"one pass of the UNet": one, "network": rar, "ZipLoRA": zipped, "ratio": zipped / rar}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("zoo", type=Path)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--network", type=Path, default=ASSET)
    asked = parser.parse_args()
    base, zoo, net = open_base(), read_zoo(asked.zoo), load_network(asked.network)
    sides = [members(zoo, kind, "test", asked.pairs) for kind in ("subject", "style")]
    cells = [c for c in table(zoo, *sides) if c.subject == c.style]
    rows = []
    for cell in cells:
        row = {"cell": [e.id for e in cell.entries], "network seconds": network(net, cell)}
        row |= zip_lora(base, cell)
        row["ratio"] = row["seconds"] / row["network seconds"]
        rows.append(row)
        print({k: v for k, v in row.items() if k != "validation"}, flush=True)
    document = {
        "machine": machine(), "network": net.sha256, "base_hash": base.hash, "pairs": rows,
        "steps tried": STEPS, "ratio": statistics.median(row["ratio"] for row in rows),
        "sdxl, derived by counting": sdxl(round(statistics.median(r["steps"] for r in rows))),
    }  # fmt: skip
    print("ratio", document["ratio"], document["sdxl, derived by counting"])
    print("written to", save("zip_speed", document))


if __name__ == "__main__":
    main()
