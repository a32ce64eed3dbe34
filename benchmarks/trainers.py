"""Made-up trainers and what they make of subjects, for planted folders.

A begins at random and moves little, B is learned from it; people share subjects, all trainings have
something in common, and a run leaves checkpoints on the way.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import ml_dtypes
import numpy as np

from lorarium.adapter import Adapter, Delta, Hadamard, LowRank, Module
from lorarium.formats.families import FAMILIES

DTYPES = {"fp16": np.float16, "bf16": ml_dtypes.bfloat16, "fp32": np.float32}
DIALECTS = ("kohya", "diffusers", "comfy")
TOPICS = ("fox", "harbour", "ink", "lantern", "meadow", "owl", "portrait", "river", "tower", "wolf")


@dataclass(frozen=True)
class Trainer:
    """How somebody trains: which modules, which rank and number type, from which random start."""

    name: str
    paths: tuple[str, ...]
    rank: int
    alpha: float
    dtype: str
    dialect: str
    seed: int
    kind: str = "lora"


def modules_of(family: str) -> dict[str, tuple[str, ...]]:
    """Sets of modules that trainers choose from: all of micro-1's table, a tenth of SD1's."""
    shapes = FAMILIES[family].parts["denoiser"].shapes
    here = ("transformer_blocks",) if family == "micro-1" else ("down_blocks.0", "up_blocks.3.a")
    some = [p for p in shapes if p.startswith(here) and ("resnets" not in p or "0.conv1" in p)]
    attention = tuple(p for p in some if ".attn" in p)
    cross = tuple(p for p in attention if "attn2" in p)
    wide = tuple(p for p in some if ".attn" in p or ".ff." in p or ".conv1" in p)
    return {"attention": attention, "cross": cross, "wide": wide}


def train(trainer: Trainer, family: str, subject: int, steps: int = 3) -> Adapter:
    """What that trainer makes of a subject after so many thirds of the way."""
    shapes = FAMILIES[family].parts["denoiser"].shapes
    deltas: dict[Module, Delta] = {}
    for path in trainer.paths:
        out, into, *kernel = shapes[path]
        n = into * int(np.prod(kernel, initial=1))
        start = random_of("start", trainer.name, trainer.seed, path)
        A = start.uniform(-1, 1, (trainer.rank, n)) / np.sqrt(n)
        wanted = _direction(f"subject {subject}", path, out, n, 12)
        common = _direction("common", path, out, n, 4)
        walk = random_of("walk", trainer.name, trainer.seed, subject, path)
        B = sum(
            0.8**step * (wanted + 0.3 * common) @ A.T / np.sqrt(out)
            + 0.02 * walk.standard_normal((out, trainer.rank)) / np.sqrt(out)
            for step in range(steps)
        )
        A = A + 0.1 * (B / np.linalg.norm(B)).T @ wanted / np.linalg.norm(wanted) * np.sqrt(3)
        B *= np.exp(0.4 * walk.standard_normal()) * 8 / np.sqrt(len(trainer.paths))
        up, down = (x.astype(DTYPES[trainer.dtype]) for x in (B, A))
        ratio = trainer.alpha / trainer.rank
        if trainer.kind == "loha" and not kernel:
            other = walk.standard_normal((out + n, trainer.rank)).astype(DTYPES[trainer.dtype])
            sides = up, down, other[:out], np.ascontiguousarray(other[out:].T)
            deltas[Module("denoiser", path)] = Hadamard(*sides, scale=ratio)
        else:
            down = down.reshape(trainer.rank, into, *kernel)
            up = up.reshape(out, trainer.rank, *(1 for _ in kernel))
            deltas[Module("denoiser", path)] = LowRank(up, down, scale=ratio)
    metadata = {
        "ss_network_dim": str(trainer.rank),
        "ss_network_alpha": str(trainer.alpha),
        "ss_steps": str(500 * steps),
        "ss_seed": str(trainer.seed),
        "ss_output_name": f"{TOPICS[subject % 10]}_{trainer.name}",
    }
    return Adapter(deltas, family, metadata, {}, trainer.dialect)


def _direction(name: str, path: str, out: int, n: int, rank: int) -> np.ndarray:
    """A change of falling singular values, the same for everybody who trains that."""
    rng = random_of(name, path)
    sizes = 0.75 ** np.arange(rank)
    U, V = rng.standard_normal((out, rank)), rng.standard_normal((rank, n))
    return (U * sizes) @ V / np.sqrt(n)


def random_of(*seed: object) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(repr(seed).encode()))
