"""The paper's generators as rows of `evaluate synth`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lorarium.adapter import Adapter
from lorarium.bases.base import Base
from lorarium.encoders.store import shipped
from lorarium.evaluation.synth.rows import Make, SynthContender
from lorarium.evaluation.synth.targets import Target
from lorarium.recipes.lora_diffusion.learn import (
    Generators,
    condition,
    linear,
    pooled,
    sample_adapters,
)
from lorarium.recipes.lora_diffusion.mixture import mixture

MIXED = 64  # adapters of the mixture


def paper_rows(base: Base, g: Generators, *, seed: int = 0) -> list[SynthContender]:
    """The linear way, the mixture, a Gaussian that knows no condition, and each diffusion."""
    judge = shipped("judge_a").net

    def conditions(targets: Sequence[Target]) -> np.ndarray:
        return np.stack([pooled(condition(judge, t.kind, t.pictures)) for t in targets])

    def gaussian(targets: Sequence[Target]) -> list[Adapter | None]:
        spread = g.examples.rows.std(0)
        random = np.random.default_rng(seed)
        rows = random.standard_normal((len(targets), len(spread))).astype(np.float32) * spread
        return list(g.space.decode(rows))

    def mixed(targets: Sequence[Target]) -> list[Adapter | None]:
        step = max(1, len(g.examples.adapters) // MIXED)
        some = g.examples.adapters[::step][:MIXED]
        return [mixture(base, some, t.pictures, t.prompts, seed=seed)[0] for t in targets]

    def diffusion(name: str) -> Make:
        return lambda targets: list(sample_adapters(g, name, conditions(targets), seed=seed))

    return [
        SynthContender("PCA-Gaussian", gaussian),
        SynthContender(
            "linear in the condition", lambda targets: list(linear(g, conditions(targets)))
        ),
        SynthContender("PCLora, 200 steps", mixed),
        *(SynthContender(f"diffusion, {name}", diffusion(name)) for name in g.denoisers),
    ]
