"""LoRAs made at once from real pictures on micro-1, which has seen drawings only, beside trained
ones: do they help on held-out pictures?

    python benchmarks/synth_real.py DATA      # DATA/icons/<rendering>/*.png, DATA/photos/<who>/*

As `real_pictures.py` asks of training: icons from 12 subjects of a rendering against 24 others,
photographs with one left out. Figures only; the pictures are not ours to ship.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from machine import machine, save
from real_pictures import ASKED, SEED, SHOWN, loss

from lorarium.bases.base import Base, open_base
from lorarium.pictures import read_pictures
from lorarium.synthesis.make import refined, synthesize
from lorarium.synthesis.store import Synth, load_synth

REFINE = 20


def icons(base: Base, synth: Synth, folder: Path) -> dict[str, object]:
    kinds = sorted(p for p in folder.iterdir() if p.is_dir())
    names = sorted(p.name for p in kinds[0].glob("*.png"))
    order = [names[i] for i in np.random.default_rng(SEED).permutation(len(names))]
    rows = {}
    for kind in kinds:
        shown = read_pictures([kind / n for n in order[:SHOWN]], base.size)
        asked = read_pictures([kind / n for n in order[SHOWN : SHOWN + ASKED]], base.size)
        rows[kind.name] = figures(base, synth, shown, asked, "style", "a sty1")
    return {"renderings": rows, "mean": means(list(rows.values()))}


def photos(base: Base, synth: Synth, folder: Path) -> dict[str, object]:
    rows = {}
    for who in sorted(p for p in folder.iterdir() if p.is_dir()):
        pictures = read_pictures(sorted(who.glob("*.jpg")), base.size)
        found = [
            figures(
                base, synth, np.delete(pictures, i, 0), pictures[i : i + 1], "subject", "a sub1"
            )
            for i in range(len(pictures))
        ]
        rows[who.name] = means(found)
    return {"subjects": rows, "mean": means(list(rows.values()))}


def figures(
    base: Base, synth: Synth, shown: np.ndarray, asked: np.ndarray, kind: str, prompt: str
) -> dict[str, float]:
    made = synthesize(synth, base, shown, kind=kind)
    better = refined(base, made, shown, [prompt] * len(shown), REFINE, seed=SEED)
    return {
        "base": loss(base, asked, prompt),
        "generated": loss(base, asked, prompt, made.adapter),
        "refined": loss(base, asked, prompt, better.adapter),
        "distance": made.distance,
        "warned": float(any("far" in words for words in made.warnings)),
    }


def means(rows: list[dict[str, float]]) -> dict[str, float]:
    return {k: round(float(np.mean([r[k] for r in rows])), 4) for k in rows[0]}


def main(data: Path) -> None:
    torch.set_num_threads(1)
    base = open_base()
    synth = load_synth(base=base)
    found = {
        "command": "benchmarks/synth_real.py DATA", "machine": machine(), "seeds": [SEED],
        "base": base.hash[:16], "generator": synth.hash[:16], "refine": REFINE,
        "icons": icons(base, synth, data / "icons"),
        "photos": photos(base, synth, data / "photos"),
    }  # fmt: skip
    print(found["icons"], found["photos"], sep="\n")
    print(save("synth_real", found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
