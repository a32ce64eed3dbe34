"""Error rates of the near-duplicate threshold of the fingerprint vector.

    python benchmarks/fingerprint.py [FOLDER...]

Synthetic adapters of three sizes, each against copies of itself in other number types and
factorisations (should count as one adapter) and against relatives of a planted cosine and strangers
(should not). With folders, all files in them are compared pair by pair as well.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from machine import machine, save

from lorarium.adapter import Adapter, LowRank
from lorarium.algebra import (
    NEAR_DUPLICATE,
    add,
    canonical_adapter,
    cast,
    cosine,
    fingerprint,
    fingerprint_vector,
)

SEED = 0
COUNT = 100  # adapters of each size
SIZES = {
    "4 modules, rank 4": (4, 4),
    "32 modules, rank 8": (32, 8),
    "128 modules, rank 16": (128, 16),
}
RELATIVES = (0.98, 0.96, 0.9, 0.7)


def random_adapter(modules: int, r: int, seed: int) -> Adapter:
    rng = np.random.default_rng([SEED, modules, seed])
    decay = ((1 + np.arange(r)) ** -0.7).astype(np.float32)
    deltas = {}
    for i in range(modules):
        out, n = (int(x) for x in rng.choice([96, 160, 320], 2))
        strength = np.float32(np.exp(rng.normal(0, 0.7)))
        up = rng.standard_normal((out, r), np.float32) * decay * strength
        deltas["denoiser", f"m{i}"] = LowRank(up, rng.standard_normal((r, n), np.float32))
    return Adapter(deltas)


def each(change: Callable[[LowRank], Any]) -> Callable[[Adapter], Adapter]:
    return lambda a: a.with_(deltas={m: change(d) for m, d in a.items()})


def int8(values: np.ndarray, bits: int = 8) -> np.ndarray:
    top = 2 ** (bits - 1) - 1
    step = np.abs(values).max(axis=1, keepdims=True) / np.float32(top)
    return np.round(values / step) * step


COPIES: dict[str, Callable[[Adapter], Adapter]] = {
    "fp16": each(lambda d: cast(d, np.float16)),
    "bf16": each(lambda d: cast(d, ml_dtypes.bfloat16)),
    "fp8 e4m3": each(lambda d: cast(d, ml_dtypes.float8_e4m3fn)),
    "fp8 e5m2": each(lambda d: cast(d, ml_dtypes.float8_e5m2)),
    "int8 by row": each(lambda d: replace(d, up=int8(d.up), down=int8(d.down))),
    "int4 by row": each(lambda d: replace(d, up=int8(d.up, 4), down=int8(d.down, 4))),
    "refactored, fp16": lambda a: COPIES["fp16"](canonical_adapter(a)),
    "refactored, bf16": lambda a: COPIES["bf16"](canonical_adapter(a)),
    "weight 0.7": each(lambda d: replace(d, scale=0.7)),
}


def relative_of(a: Adapter, stranger: Adapter, target: float) -> Adapter:
    """a plus a bit of an unrelated change, at a cosine of `target` with a."""
    size = sum(float((d.up.T @ d.up * (d.down @ d.down.T)).sum()) for _, d in a.items())
    other = sum(float((d.up.T @ d.up * (d.down @ d.down.T)).sum()) for _, d in stranger.items())
    tangent = np.sqrt(1 / target**2 - 1)
    return add([a, stranger], [1.0, tangent * np.sqrt(size / other)])


def measure(modules: int, r: int) -> dict[str, Any]:
    same: dict[str, list[float]] = {name: [] for name in COPIES}
    others: dict[str, list[float]] = {f"cosine {c}": [] for c in RELATIVES}
    vectors = []
    for seed in range(COUNT):
        a = random_adapter(modules, r, seed)
        # same shapes as a, other values
        noise = np.random.default_rng([SEED, modules, seed, 1])
        stranger = each(
            lambda d, noise=noise: LowRank(
                noise.permuted(d.up).astype(np.float32), noise.permuted(d.down).astype(np.float32)
            )
        )(a)
        v = fingerprint_vector(a)
        vectors.append(v)
        for name, copy in COPIES.items():
            same[name].append(float(v @ fingerprint_vector(copy(a))))
        for target in RELATIVES:
            relative = relative_of(a, stranger, target)
            others[f"cosine {target}"].append(float(v @ fingerprint_vector(relative)))
        others.setdefault("stranger of equal shapes", []).append(
            float(v @ fingerprint_vector(stranger))
        )
    V = np.stack(vectors)
    pairs = (V @ V.T)[np.triu_indices(COUNT, 1)]
    return {
        "same": {k: rate(np.array(x), missed=True) for k, x in same.items()},
        "different": {k: rate(np.array(x), missed=False) for k, x in others.items()}
        | {"strangers": rate(pairs, missed=False)},
    }


def rate(values: np.ndarray, *, missed: bool) -> dict[str, float]:
    wrong = values < NEAR_DUPLICATE if missed else values >= NEAR_DUPLICATE
    return {
        "pairs": len(values),
        "wrong": float(wrong.mean()),
        "min": float(values.min()),
        "median": float(np.median(values)),
        "max": float(values.max()),
    }


def files(folders: list[str]) -> dict[str, Any]:
    """Pairs of real files: those of equal hex, and those whose vectors are near."""
    from lorarium import LorariumError, formats

    prints = {}
    for folder in folders:
        for path in sorted(Path(folder).rglob("*.safetensors")):
            try:
                a = formats.read(path)
            except LorariumError as error:
                print(f"left out: {error}")
                continue
            prints[path.name] = fingerprint(a), fingerprint_vector(a), a
    names = list(prints)
    rows = []
    for i, one in enumerate(names):
        for two in names[i + 1 :]:
            (hex1, v1, a), (hex2, v2, b) = prints[one], prints[two]
            near = float(v1 @ v2)
            if near > 0.5 or hex1 == hex2:
                rows.append([one, two, near, hex1 == hex2])
                print(f"{near:.4f} {'equal' if hex1 == hex2 else '     '} {one} {two}")
                if a.family == b.family:
                    print(f"       exact cosine {cosine(a, b):.4f}")
    return {"files": len(names), "pairs": len(names) * (len(names) - 1) // 2, "near": rows}


def main() -> None:
    document: dict[str, Any] = {"machine": machine(), "seed": SEED, "threshold": NEAR_DUPLICATE}
    for name, (modules, r) in SIZES.items():
        document[name] = figures = measure(modules, r)
        print(name)
        for kind, rows in figures.items():
            for case, row in rows.items():
                print(
                    f"  {kind:<9} {case:<25} wrong {row['wrong']:7.2%} of {row['pairs']:>5}"
                    f"   {row['min']:7.4f} {row['median']:7.4f} {row['max']:7.4f}"
                )
    if len(sys.argv) > 1:
        document["files"] = files(sys.argv[1:])
    print("written to", save("fingerprint", document))


if __name__ == "__main__":
    main()
