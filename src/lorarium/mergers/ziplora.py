"""ZipLoRA (Shah et al. 2023, arXiv 2311.13600): column coefficients learned on the base.

Each adapter's columns get a coefficient, learned so that the merged adapters say what each one
alone says on its own pictures and prompts, and so that two coefficients of a column differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lorarium.adapter import Adapter
from lorarium.errors import LorariumError
from lorarium.mergers.columns import weigh_columns
from lorarium.mergers.inputs import Inputs, two_different
from lorarium.mergers.on_base import prompts_of, resolve_base
from lorarium.mergers.options import choice, number, require_int
from lorarium.mergers.registry import method


@method("ziplora", group="on the base", min_inputs=2)
def merge_ziplora(
    inputs: Inputs,
    *,
    base: Any = None,
    prompts: str | Sequence[str] | None = None,
    pictures: Sequence[str | Path] | None = None,
    steps: int = 100,
    lr: float = 0.01,
    penalty: float = 0.01,
    likeness: str = "cosine",
    batch: int = 1,
    drawn: int = 4,
    seed: int = 0,
    device: str = "cpu",
    progress: Callable[[int, int, float], None] | None = None,
) -> Adapter:
    """Learn a coefficient for each column on the base model, about a hundred steps.

    `prompts` and `pictures` (a file or folder) are one for each adapter. Files that Lorarium
    trained bring their prompts; without pictures each adapter draws `drawn` of its own.
    """
    inputs.record(
        steps=require_int("steps", steps),
        lr=number("lr", lr, 0, 10, above=True),
        penalty=number("penalty", penalty, 0, 1e6),
        likeness=choice("likeness", likeness, ("cosine", "product")),
        batch=require_int("batch", batch),
        drawn=require_int("drawn", drawn),
        seed=require_int("seed", seed, 0),
    )
    two_different(inputs)
    adapter_prompts = prompts_of(inputs, prompts)
    model = resolve_base(inputs, base, device)
    from lorarium.training.distil import fit_gains

    parts = [inputs.weighted(k) for k in range(len(inputs.adapters))]
    gains, losses = fit_gains(
        model,
        parts,
        _lessons(model, parts, adapter_prompts, pictures, drawn, seed),
        steps=steps,
        lr=lr,
        weight=penalty,
        kind=likeness,
        batch=batch,
        seed=seed,
        progress=progress,
    )
    last = max(1, len(losses) // 5)
    first, end = sum(losses[:last]) / last, sum(losses[-last:]) / last
    inputs.note(
        f"distillation loss {first:.4g} over the first {last} steps, {end:.4g} over the last"
    )
    return weigh_columns(inputs, gains)


def _lessons(
    model: Any,
    parts: Sequence[Adapter],
    adapter_prompts: Sequence[Sequence[str]],
    pictures: Sequence[str | Path] | None,
    drawn: int,
    seed: int,
) -> list[Any]:
    """Each adapter's pictures, read or drawn by itself, with its prompts in turn."""
    import numpy as np
    import torch

    from lorarium.bases.sampling import sample
    from lorarium.pictures import picture_files, read_pictures
    from lorarium.training.distil import DistillationSet

    if pictures is not None and (isinstance(pictures, str | Path) or len(pictures) != len(parts)):
        raise LorariumError(
            f"pictures for {len(parts)} adapters are needed",
            hint="say --option pictures=FOLDER for each, or leave it out",
        )
    lessons = []
    for k, (part, prompts) in enumerate(zip(parts, adapter_prompts, strict=True)):
        if pictures is None:
            asked = [prompts[i % len(prompts)] for i in range(max(drawn, len(prompts)))]
            drawings = sample(model, asked, adapters=[(part, 1.0)], seed=seed)
        else:
            drawings = read_pictures(picture_files([pictures[k]]), model.size)
            asked = [prompts[i % len(prompts)] for i in range(len(drawings))]
        rows = torch.from_numpy(np.array(drawings)).permute(0, 3, 1, 2).to(model.device)
        latents = [model.to_latent(piece.float() / 127.5 - 1) for piece in rows.split(4)]
        lessons.append(DistillationSet(torch.cat(latents), asked))
    return lessons
