"""The tour's last stop: three of the pictures that a LoRA was just trained on, and a LoRA from them
at once, side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lorarium.bases.base import Base, open_base
from lorarium.bases.sampling import sample
from lorarium.formats import read
from lorarium.pictures import enlarged, grid, labelled, picture_files, write_png
from lorarium.synthesis.run import synthesize_files
from lorarium.synthesis.store import Synth

PICTURES, LARGE = 3, 96
NEW = ("cat", "castle", "fish", "tree", "teapot", "rocket")


@dataclass(frozen=True)
class Toured:
    """The files that the stop made."""

    lora: Path
    side_by_side: Path


def synth_tour(
    pictures: Path,
    trained: Path,
    folder: Path,
    *,
    base: Base | None = None,
    generator: Synth | None = None,
    say: Callable[[str], None] = print,
    force: bool = False,
) -> Toured:
    """Make a LoRA from three pictures and draw it beside the trained one."""
    model = base or open_base()
    lora = folder / "synth.safetensors"
    files = picture_files([pictures])[:PICTURES]
    made = synthesize_files(files, lora, base=model, generator=generator, sheet=False, force=force)
    say(f"{lora}: from {len(files)} of the pictures, in {made.seconds:.2f} s")
    for words in made.warnings:
        say(f"warning: {words}")
    prompts = [f"a {word} in sty1" for word in NEW]
    rows = [
        sample(model, prompts, adapters=[(adapter, 1.0)], seed=1)
        for adapter in (read(trained), made.adapter)
    ]
    times = max(1, LARGE // model.size)
    sheet = grid(enlarged(np.concatenate(rows), times), len(NEW))
    left = ("trained", "at once")
    compared = folder / "trained-or-at-once.png"
    write_png(compared, labelled(sheet, NEW, left, model.size * times), force=force)
    say(f"{compared}: the trained LoRA and the one made at once, on new subjects")
    return Toured(lora, compared)
