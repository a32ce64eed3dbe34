"""Small modules of every kind as they stand in files, and arrays made wrong in every way."""

from __future__ import annotations

import functools
from random import Random

import numpy as np

from lorarium.formats.header import DTYPES

Array = np.ndarray
Slots = dict[str, Array]

FLOATS = ("F16", "F16", "BF16", "F32", "F32", "F64", "F8_E4M3", "F8_E5M2")
KINDS = (
    *("lora", "lora", "locon", "tucker", "loha", "loha-tucker", "lokr", "lokr-whole", "lokr-conv"),
    *("lokr-tucker", "full", "full-conv", "bias", "dora", "lora-bias"),
)
_POOL = 1 << 14


@functools.cache
def _normals(dtype: str) -> Array:
    numbers = np.random.default_rng(0).standard_normal(_POOL)
    with np.errstate(all="ignore"):
        return numbers.astype(DTYPES[dtype])


@functools.cache
def _noise(dtype: str) -> Array:
    """Any bits at all: NaN, infinities, subnormals, the largest numbers."""
    if dtype == "BOOL":
        return np.random.default_rng(1).integers(0, 2, _POOL).astype(bool)
    return np.frombuffer(np.random.default_rng(1).bytes(8 * _POOL), DTYPES[dtype])[:_POOL]


def draw(rng: Random, shape: tuple[int, ...], dtype: str = "F32", noise: bool = False) -> Array:
    """An array of a shape; values come from a pool, which is far faster than making them."""
    pool = _noise(dtype) if noise else _normals(dtype)
    size = int(np.prod(shape, dtype=np.int64))
    if size > _POOL // 2:
        return np.resize(pool, shape)
    start = rng.randrange(_POOL // 2)
    return pool[start : start + size].reshape(shape)


def sound_module(rng: Random, kind: str) -> Slots:
    """The tensors of one module by slot; they fit together."""
    dtype = rng.choice(FLOATS)
    o, i, r, k = rng.choice((4, 6, 8)), rng.choice((4, 6, 8)), rng.choice((1, 2, 3)), 3

    def a(*shape: int) -> Array:
        return draw(rng, shape, dtype)

    slots: Slots
    if kind in ("lora", "dora", "lora-bias"):
        slots = {"up": a(o, r), "down": a(r, i)}
        if kind == "dora":
            slot = rng.choice(("dora_scale", "magnitude"))
            slots[slot] = a(o, 1) if slot == "dora_scale" else a(o)
        if kind == "lora-bias":
            slots["up_bias"] = a(o)
    elif kind == "locon":
        slots = {"up": a(o, r, 1, 1), "down": a(r, i, k, k)}
    elif kind == "tucker":
        slots = {"up": a(o, r, 1, 1), "down": a(r, i, 1, 1), "mid": a(r, r, k, k)}
    elif kind == "loha":
        slots = {"hada_w1_a": a(o, r), "hada_w1_b": a(r, i)}
        slots |= {"hada_w2_a": a(o, r), "hada_w2_b": a(r, i)}
    elif kind == "loha-tucker":
        slots = {f"hada_w{n}_{x}": a(r, o if x == "a" else i) for n in (1, 2) for x in "ab"}
        slots |= {"hada_t1": a(r, r, k, k), "hada_t2": a(r, r, k, k)}
    elif kind == "lokr":
        slots = {"lokr_w1": a(2, 2), "lokr_w2_a": a(o, r), "lokr_w2_b": a(r, i)}
    elif kind == "lokr-whole":
        slots = {"lokr_w1": a(2, 2), "lokr_w2": a(o, i)}
    elif kind == "lokr-conv":
        slots = {"lokr_w1_a": a(2, r), "lokr_w1_b": a(r, 2), "lokr_w2": a(o, i, k, k)}
    elif kind == "lokr-tucker":
        slots = {"lokr_w1": a(2, 2), "lokr_w2_a": a(r, o), "lokr_w2_b": a(r, i)}
        slots["lokr_t2"] = a(r, r, k, k)
    elif kind == "bias":
        slots = {"diff_b": a(o)}
    else:
        slots = {"diff": a(o, i) if kind == "full" else a(o, i, k, k)}
    if rng.random() < 0.5 and kind not in ("full", "full-conv", "bias"):
        slots["alpha"] = np.array(rng.choice((1, 2, 3, 8, 0.5)), DTYPES[rng.choice(("F32", "F16"))])
    return slots


NUMBERS = (0.0, -0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 65504.0, 1e-8, 3e38, 1e300, 1e-300, 5e-45)


def wrong_array(rng: Random, array: Array) -> Array:
    """The array with another shape, another number type, or other numbers."""
    chance = rng.random()
    if chance < 0.45:
        return _other_shape(rng, array)
    if chance < 0.65:
        dtype = rng.choice(tuple(DTYPES))
        with np.errstate(all="ignore"):
            # not every pair of 8-bit floats has a cast of its own
            return array.astype(np.float32).astype(DTYPES[dtype])
    name = next((n for n, d in DTYPES.items() if d == array.dtype), "F32")
    if chance < 0.75:
        return draw(rng, array.shape, name, noise=True)
    with np.errstate(all="ignore"):
        if chance < 0.9:
            value = np.array(rng.choice(NUMBERS)).astype(array.dtype)
            if chance < 0.8:
                return np.full(array.shape, value)
            changed = array.copy()
            if changed.size:
                changed.reshape(-1)[rng.randrange(changed.size)] = value
            return changed
        power = rng.choice((2.0**60, 2.0**-60, 2.0**120, 2.0**-140))
        # of an array without axes numpy makes a number
        return np.asarray(array.astype(np.float64) * power).astype(array.dtype)


def _other_shape(rng: Random, array: Array) -> Array:
    shape = list(array.shape)
    chance = rng.randrange(9)
    if chance == 0 and shape:
        shape.pop(rng.randrange(len(shape)))
    elif chance == 1:
        shape.insert(rng.randrange(len(shape) + 1), rng.choice((0, 1, 1, 2, 3)))
    elif chance == 2 and shape:
        shape[rng.randrange(len(shape))] = rng.choice((0, 1, 2, 3, 5, 9))
    elif chance == 3:
        shape.reverse()
    elif chance == 4:
        shape = []
    elif chance == 5:
        shape = [0] * rng.randrange(1, 4)
    elif chance == 6:
        shape = [rng.choice((0, 1, 2, 4)) for _ in range(rng.randrange(7))]
    elif chance == 7 and shape:
        shape[rng.randrange(len(shape))] = rng.choice((64, 257, 1000, 4096))
    else:
        shape += [1] * rng.randrange(1, 4)
    size = int(np.prod(shape, dtype=np.int64))
    if size > 1 << 16:
        return array
    return np.resize(array, shape) if array.size else np.zeros(shape, array.dtype)
