"""LoRAs of real pictures on micro-1, which has seen drawings only: do they help on held-out ones?

    python benchmarks/real_pictures.py DATA      # DATA/icons/<rendering>/*.png, DATA/photos/<who>/*

Icons: a LoRA per rendering from 12 subjects; the denoising loss of 24 other subjects, in its own
rendering and in the other renderings. Photographs: leave one out, a LoRA per left-out picture.
Figures only; the pictures are not ours to ship.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import torch
from machine import machine, save
from pages import fill_pages

from lorarium.adapter import Adapter
from lorarium.bases.base import Base, losses, open_base
from lorarium.bases.branches import applied
from lorarium.bases.stack import Stack
from lorarium.pictures import read_pictures
from lorarium.training.fit import fit
from lorarium.training.recipe import Job, Recipe

SEED, SHOWN, ASKED, TIMES = 3, 12, 24, 8
STYLE = Recipe(rank=8, alpha=8.0, steps=150, lr=3e-3)
SUBJECT = Recipe(rank=4, alpha=4.0, steps=100, lr=2.5e-3)


@torch.no_grad()
def loss(base: Base, pictures: np.ndarray, prompt: str, adapter: Adapter | None = None) -> float:
    """Mean denoising loss at fixed noise and times."""
    random = torch.Generator().manual_seed(SEED)
    x = base.to_latent(torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1)
    text = base.encode([prompt] * len(x))
    branches = Stack(base, [(adapter, 1.0)]).branches if adapter else {}
    total = 0.0
    with applied(base, branches):
        for i in range(TIMES):
            t = base.sample_time(torch.full((len(x),), (i + 0.5) / TIMES))
            noise = torch.randn(x.shape, generator=random)
            total += float(losses(base, x, text, t, noise).mean())
    return total / TIMES


def icons(base: Base, folder: Path) -> dict[str, object]:
    kinds = sorted(p for p in folder.iterdir() if p.is_dir())
    names = sorted(p.name for p in kinds[0].glob("*.png"))
    order = [names[i] for i in np.random.default_rng(SEED).permutation(len(names))]
    prompt = "a sty1"
    shown = [read_pictures([k / n for n in order[:SHOWN]], base.size) for k in kinds]
    asked = [read_pictures([k / n for n in order[SHOWN : SHOWN + ASKED]], base.size) for k in kinds]
    jobs = [Job(p, (prompt,) * SHOWN, STYLE, SEED) for p in shown]
    adapters = fit(base, jobs)
    plain = np.array([loss(base, p, prompt) for p in asked])
    table = np.array([[loss(base, p, prompt, a) for p in asked] for a in adapters])
    own = table.diagonal()
    return {
        "renderings": [k.name for k in kinds],
        "base": plain.round(4).tolist(),
        "own LoRA": own.round(4).tolist(),
        "mean": {
            "base": round(float(plain.mean()), 4),
            "own LoRA": round(float(own.mean()), 4),
            "LoRA of another rendering": round(
                float((table.sum() - own.sum()) / (table.size - len(own))), 4
            ),
        },
        "own LoRA is the best of all": round(
            float((table.argmin(0) == np.arange(len(own))).mean()), 3
        ),
    }


def photos(base: Base, folder: Path) -> dict[str, object]:
    prompt, rows = "a sub1", {}
    for who in sorted(p for p in folder.iterdir() if p.is_dir()):
        pictures = read_pictures(sorted(who.glob("*.jpg")), base.size)
        n = len(pictures)
        jobs = [
            Job(np.delete(pictures, i, 0), (prompt,) * (n - 1), SUBJECT, SEED) for i in range(n)
        ]
        adapters = fit(base, jobs)
        left = [pictures[i : i + 1] for i in range(n)]
        before = np.mean([loss(base, p, prompt) for p in left])
        after = np.mean([loss(base, p, prompt, a) for p, a in zip(left, adapters, strict=True)])
        rows[who.name] = {"base": round(float(before), 4), "LoRA": round(float(after), 4)}
    mean = {k: round(float(np.mean([r[k] for r in rows.values()])), 4) for k in ("base", "LoRA")}
    return {"subjects": rows, "mean": mean}


def main(data: Path) -> None:
    torch.set_num_threads(1)
    base, start = open_base(), time.time()
    figures = {
        "command": "benchmarks/real_pictures.py DATA", "machine": machine(), "seeds": [SEED],
        "base": base.hash[:16], "icons": icons(base, data / "icons"),
        "photos": photos(base, data / "photos"),
    }  # fmt: skip
    figures["seconds"] = round(time.time() - start)
    print(figures["icons"], figures["photos"], sep="\n")
    print(save("real_pictures", figures))
    fill_pages()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
