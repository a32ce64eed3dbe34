"""Made-up adapters with known relatives, small enough for tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from lorarium import formats
from lorarium.adapter import Adapter, LowRank
from lorarium.algebra import cast, recompress, scale
from lorarium.formats.example import example
from lorarium.library import Library

FAMILY = "micro-1"


def ink(seed: int, rank: int = 4, *, dtype: type = np.float16, **metadata: str) -> Adapter:
    return example(family=FAMILY, seed=seed, rank=rank, dtype=dtype, metadata=metadata)


def each(change: Callable[[LowRank], Any]) -> Callable[[Adapter], Adapter]:
    return lambda a: a.with_(deltas={m: change(d) for m, d in a.items()})  # type: ignore[arg-type]


def padded(d: LowRank) -> LowRank:
    up, down = np.zeros((len(d.up), 3), d.up.dtype), np.ones((3, d.down.shape[1]), d.down.dtype)
    return replace(d, up=np.hstack([d.up, up]), down=np.vstack([d.down, down]))


def rotated(d: LowRank) -> LowRank:
    """B G, G⁻¹ A for some well-conditioned G."""
    G = np.random.default_rng(d.up.shape).standard_normal((d.rank, d.rank)) + 3 * np.eye(d.rank)
    up, down = d.up.astype(np.float64) @ G, np.linalg.inv(G) @ d.down.astype(np.float64)
    return replace(d, up=up.astype(d.up.dtype), down=down.astype(d.down.dtype))


def rounded(d: LowRank) -> LowRank:
    """Eight-bit steps by row, as a quantised file that was widened again."""

    def steps(x: np.ndarray) -> np.ndarray:
        step = np.abs(x).max(axis=1, keepdims=True) / 127
        return (np.round(x / step) * step).astype(x.dtype)

    return replace(d, up=steps(d.up), down=steps(d.down))


def half_rank(a: Adapter) -> Adapter:
    rank = next(d.rank for _, d in a.items())
    return recompress(a, rank=rank // 2)[0]


# what can be done to a file without making it another adapter -> a word of what is told about it
COPIES: dict[str, tuple[Callable[[Adapter], Adapter], str]] = {
    "padded": (each(padded), "rank 4 → 7"),
    "bf16": (each(lambda d: cast(d, ml_dtypes.bfloat16)), "float16 → bfloat16"),
    "rotated": (each(rotated), "other factors"),
    "rescaled": (lambda a: scale(a, 0.7), "strength x 0.70"),
    "rounded": (each(rounded), "rounded values"),
    "resized": (half_rank, "rank 4 → 2"),
}


def same_start(a: Adapter, seed: int) -> Adapter:
    """Another adapter that began at the same random A."""
    rng = np.random.default_rng(seed)
    return each(
        lambda d: replace(
            d,
            up=rng.permuted(d.up),
            down=d.down + d.down * 0.05 * rng.standard_normal(d.rank)[:, None],
        )
    )(a)


def write(folder: Path, adapters: dict[str, Adapter], dialect: str = "kohya") -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.safetensors" for name in adapters]
    for path, adapter in zip(paths, adapters.values(), strict=True):
        formats.write(adapter, path, dialect, force=True)
    return paths


def library(folder: Path, *indexed: Path) -> Library:
    made = Library(folder)
    if indexed:
        made.index(indexed, workers=0)
    return made
