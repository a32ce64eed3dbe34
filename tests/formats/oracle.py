"""The slow truth: whole weight changes, written from the definitions and used by tests only."""

from __future__ import annotations

import numpy as np

from lorarium.adapter import Bias, Delta, Dense, Dora, Hadamard, LowRank


def dense(delta: Delta) -> np.ndarray:
    """scale * ΔW as (out, everything else), float64; the inner change of a DoRA."""
    if isinstance(delta, Dora):
        return dense(delta.inner)
    if isinstance(delta, Bias):
        return delta.scale * wide(delta.bias).reshape(-1, 1)
    if isinstance(delta, Dense):
        return delta.scale * flat(delta.weight)
    if isinstance(delta, LowRank):
        if delta.mid is not None:
            return delta.scale * tucker(flat(delta.up).T, flat(delta.down), delta.mid)
        return delta.scale * flat(delta.up) @ flat(delta.down)
    if isinstance(delta, Hadamard):
        if delta.t1 is not None and delta.t2 is not None:
            first = tucker(delta.w1_a, delta.w1_b, delta.t1)
            second = tucker(delta.w2_a, delta.w2_b, delta.t2)
        else:
            first = wide(delta.w1_a) @ wide(delta.w1_b)
            second = wide(delta.w2_a) @ wide(delta.w2_b)
        return delta.scale * first * second
    first = wide(delta.w1) if delta.w1 is not None else wide(delta.w1_a) @ wide(delta.w1_b)
    if delta.w2 is not None:
        second = wide(delta.w2)
    elif delta.t2 is not None:
        second = tucker(delta.w2_a, delta.w2_b, delta.t2).reshape(
            delta.w2_a.shape[1], delta.w2_b.shape[1], *delta.t2.shape[2:]
        )
    else:
        second = wide(delta.w2_a) @ wide(delta.w2_b)
        second = second.reshape(second.shape[0], delta.shape[1] // first.shape[1], -1)
    second = second.reshape(*second.shape[:2], -1)
    product = np.einsum("ij,klm->ikjlm", first, second)
    return delta.scale * product.reshape(first.shape[0] * second.shape[0], -1)


def tucker(a: np.ndarray, b: np.ndarray, core: np.ndarray) -> np.ndarray:
    """a (r, out), b (r, in), core (r, r, kh, kw) -> (out, in kh kw)."""
    product = np.einsum("rskl,ro,si->oikl", wide(core), wide(a), wide(b))
    return product.reshape(product.shape[0], -1)


def wide(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float64)


def flat(x: np.ndarray) -> np.ndarray:
    return wide(x).reshape(x.shape[0], -1)
