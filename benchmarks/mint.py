"""Adapters per minute: mint against our own single trainer and a tuned PEFT loop, the same work.

    python benchmarks/mint.py --adapters 8 --steps 20
    python benchmarks/mint.py --threads 2 --workers 2 --adapters 32 --steps 120  # the whole machine

The same pictures, rank, modules, batch, steps, optimizer and base for all; PEFT's loop encodes
its prompts once, keeps one wrapped model and exchanges the factors' start between adapters. Time
is that of the processor (others may use the machine), beside the clock. With `--workers` the clock
counts, which wants a machine that does nothing else: PEFT and the single trainer then have
`--threads`, and mint as many processes of one thread, whose start is counted too.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from machine import machine, save

from lorarium.bases.base import Base, losses, modules, open_base, take
from lorarium.bases.micro import Micro
from lorarium.bases.micro_base import MicroBase
from lorarium.recipes.base import config
from lorarium.training.fit import Fit
from lorarium.training.manifest import Entry
from lorarium.training.mint import groups, job_of
from lorarium.training.recipe import Job, Recipe
from lorarium.training.workers import train_in_workers


def entries_of(count: int, recipe: Recipe) -> list[Entry]:
    genres = ("ink", "neon", "oil", "chalk", "pixel", "mosaic", "pastel", "photo")
    return [
        Entry(f"b{i}", "style", (genres[i % 8], i), "test", "R0", recipe, i, i, tuple(range(12)))
        for i in range(count)
    ]


def together(base: Base, jobs: list[Job], size: int) -> None:
    for start in range(0, len(jobs), size):
        run = Fit(base, jobs[start : start + size])
        while run.done < run.steps:
            run.step()
        run.adapters()


def side_by_side(base: Base, entries: list[Entry], workers: int, size: int) -> None:
    for _ in train_in_workers(workers, base, groups(entries, size)):
        pass


def peft_loop(base: Base, jobs: list[Job]) -> Callable[[], None]:
    """A plain loop as a careful user of PEFT writes it."""
    from peft import LoraConfig, get_peft_model

    r = jobs[0].recipe
    names = sorted({m.path for m in modules(base, r.targets, ("denoiser",))})
    wrapped = get_peft_model(
        base.networks["denoiser"],  # type: ignore[arg-type]
        LoraConfig(r=r.rank, lora_alpha=r.alpha, target_modules=names, init_lora_weights=True),
    )
    factors = [p for p in wrapped.parameters() if p.requires_grad]
    start = [p.detach().clone() for p in factors]

    def run() -> None:
        for job in jobs:
            with torch.no_grad():
                for p, value in zip(factors, start, strict=True):
                    p.copy_(value)
                text = base.encode(list(job.prompts))
            pictures = torch.from_numpy(job.pictures).permute(0, 3, 1, 2).to(base.device)
            x = pictures.float() / 127.5 - 1
            fused = base.device.type == "cuda"
            optimizer = torch.optim.AdamW(factors, lr=r.lr, weight_decay=0.0, fused=fused)
            random = torch.Generator(base.device).manual_seed(job.seed)
            for _ in range(r.steps):
                rows = torch.randint(len(x), (r.batch,), generator=random, device=base.device)
                noise = torch.randn(r.batch, *x.shape[1:], generator=random, device=base.device)
                t = base.sample_time(torch.rand(r.batch, generator=random, device=base.device))
                loss = losses(base, x[rows], take(text, rows), t, noise).mean()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(factors, r.clip)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)

    return run


def timed(work: Callable[[], None], device: str) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.process_time() - cpu, time.perf_counter() - wall


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--adapters", type=int, default=8)
    options.add_argument("--peft-adapters", type=int, default=0, help="fewer, scaled up")
    options.add_argument("--steps", type=int, default=20)
    options.add_argument("--rank", type=int, default=4)
    options.add_argument("--batches", default="8", help="adapters at once, with commas")
    options.add_argument("--rounds", type=int, default=2, help="the fastest counts")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--workers", type=int, default=0, help="processes of a further row")
    options.add_argument("--device", default="cpu")
    options.add_argument("--base", help="default: random weights of micro-1's shapes")
    options.add_argument("--name", default="mint", help="of the result in benchmarks/results")
    o = options.parse_args()
    torch.set_num_threads(o.threads)
    torch.manual_seed(0)

    def base() -> Base:
        if o.base:
            return open_base(o.base, o.device)
        return MicroBase(Micro(config()), o.device)

    recipe = Recipe(rank=o.rank, alpha=float(o.rank), steps=o.steps, batch=4)
    ours = base()
    entries = entries_of(o.adapters, recipe)
    jobs = [job_of(entry, ours) for entry in entries]
    few = o.peft_adapters or o.adapters
    runs: dict[str, tuple[Callable[[], None], int]] = {
        "single": (lambda: together(ours, jobs[:few], 1), few),
        "peft": (peft_loop(base(), jobs[:few]), few),
    }
    for size in map(int, o.batches.split(",")):
        runs[f"mint-{size}"] = (lambda size=size: together(ours, jobs, size), o.adapters)  # type: ignore[misc]
    if o.workers:
        size = int(o.batches.split(",")[0])
        work = lambda: side_by_side(ours, entries, o.workers, size)  # noqa: E731
        runs[f"mint-{size} x {o.workers} processes"] = (work, o.adapters)
    best: dict[str, dict[str, float]] = {}
    if o.device == "cuda":  # kernels are chosen and memory is taken in a round that counts not
        for work, _ in runs.values():
            work()
    for _ in range(o.rounds):
        for name, (work, count) in runs.items():
            cpu, wall = (seconds / count for seconds in timed(work, o.device))
            old = best.get(name, {"cpu_s": np.inf, "wall_s": np.inf})
            best[name] = {"cpu_s": min(cpu, old["cpu_s"]), "wall_s": min(wall, old["wall_s"])}
    clock = "wall_s" if o.device == "cuda" or o.workers else "cpu_s"
    for row in best.values():
        row["adapters_per_minute"] = 60 / row[clock]
        row["against_peft"] = best["peft"][clock] / row[clock]
        row["against_single"] = best["single"][clock] / row[clock]
    report = {
        "command": "python benchmarks/mint.py "
        + " ".join(f"--{k.replace('_', '-')} {v}" for k, v in vars(o).items() if v is not None),
        "machine": machine(),
        "device": torch.cuda.get_device_name() if o.device == "cuda" else "cpu",
        "clock": clock,
        "base_hash": ours.hash,
        "recipe": recipe.__dict__,
        "seconds_each": best,
    }
    for name, row in best.items():
        print(
            f"{name:22} {row['cpu_s']:8.3f} s cpu {row['wall_s']:8.3f} s clock "
            f"{row['adapters_per_minute']:8.1f} a minute, {row['against_peft']:.2f} x PEFT, "
            f"{row['against_single']:.2f} x single"
        )
    print(save(o.name, report))


if __name__ == "__main__":
    main()
