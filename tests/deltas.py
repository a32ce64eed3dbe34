"""Small random changes of every kind, for the tests."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from lorarium.adapter import (
    Adapter,
    Bias,
    Delta,
    Dense,
    Dora,
    Hadamard,
    Kronecker,
    LowRank,
)
from lorarium.algebra import dense_delta

LINEAR_KINDS = ("lora", "loha", "lokr", "lokr-whole", "full")
CONV_KINDS = (
    "locon",
    "tucker",
    "loha-conv",
    "loha-tucker",
    "lokr-conv",
    "lokr-tucker",
    "full-conv",
)
KINDS = LINEAR_KINDS + CONV_KINDS
OUT, IN, K = 24, 18, 3


def make(kind: str, seed: int = 0, *, r: int = 3, dtype: object = np.float32) -> Delta:
    """A change of a (24, 18) matrix or a (24, 18, 3, 3) kernel."""
    rng = np.random.default_rng([seed, *kind.encode()])

    def a(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(dtype)

    scale = float(rng.choice([1.0, 0.5, -0.75, 2.0]))
    made = {
        "lora": lambda: LowRank(a(OUT, r), a(r, IN), scale=scale),
        "locon": lambda: LowRank(a(OUT, r, 1, 1), a(r, IN, K, K), scale=scale),
        "tucker": lambda: LowRank(a(OUT, r, 1, 1), a(r, IN, 1, 1), a(r, r, K, K), scale=scale),
        "loha": lambda: Hadamard(a(OUT, r), a(r, IN), a(OUT, 2), a(2, IN), scale=scale),
        "loha-conv": lambda: Hadamard(
            a(OUT, r), a(r, IN, K, K), a(OUT, 2), a(2, IN, K, K), scale=scale
        ),
        "loha-tucker": lambda: Hadamard(
            a(r, OUT), a(r, IN), a(r, OUT), a(r, IN), a(r, r, K, K), a(r, r, K, K), scale=scale
        ),
        "lokr": lambda: Kronecker(w1=a(4, 3), w2_a=a(6, 2), w2_b=a(2, 6), scale=scale),
        "lokr-whole": lambda: Kronecker(w1=a(4, 3), w2=a(6, 6), scale=scale),
        "lokr-conv": lambda: Kronecker(
            w1_a=a(4, 2), w1_b=a(2, 3), w2_a=a(6, 2), w2_b=a(2, 6, K, K), scale=scale
        ),
        "lokr-tucker": lambda: Kronecker(
            w1=a(4, 3), w2_a=a(2, 6), w2_b=a(2, 6), t2=a(2, 2, K, K), scale=scale
        ),
        "full": lambda: Dense(a(OUT, IN), scale=scale),
        "full-conv": lambda: Dense(a(OUT, IN, K, K), scale=scale),
        "bias": lambda: Bias(a(OUT), scale=scale),
    }
    return made[kind]()


def adapter(seed: int = 0, *, kinds: tuple[str, ...] = KINDS, **options: object) -> Adapter:
    """One module of each kind, and a bias."""
    deltas = {
        ("denoiser", f"down_blocks.{i}.attentions.0.{k}"): make(k, seed, **options)  # type: ignore[arg-type]
        for i, k in enumerate(kinds)
    }
    deltas["denoiser", "mid_block.x.bias"] = make("bias", seed)
    deltas["text_encoder", "layers.0.fc1"] = make("lora", seed + 1, **options)  # type: ignore[arg-type]
    return Adapter(deltas, family="sd1", metadata={"a": "b"}, dialect="kohya")  # type: ignore[arg-type]


def dora(seed: int = 0) -> Dora:
    inner = make("lora", seed)
    assert isinstance(inner, LowRank)
    return Dora(inner, np.ones((OUT, 1), np.float32))


def fused(seed: int, dtype: object = np.float32) -> Adapter:
    """q, k and v of one fused matrix."""
    rng = np.random.default_rng(seed)
    down = rng.standard_normal((2, 18)).astype(dtype)
    return Adapter(
        {
            ("denoiser", name): LowRank(
                rng.standard_normal((6, 2)).astype(dtype),
                down,
                fused="qkv",
                fused_rows=(6 * i, 6 * i + 6),
            )
            for i, name in enumerate(("q", "k", "v"))
        }
    )


def matrix(delta: Delta) -> np.ndarray:
    """ΔW as a float64 matrix."""
    return dense_delta(delta, dtype=np.float64).reshape(delta.shape[0], -1)


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / max(np.linalg.norm(b), 1e-300))


seeds = st.integers(0, 2**16)
