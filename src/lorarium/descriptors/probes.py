"""The fixed random probes under every sketch, and where a module's share of a sketch goes.

All of it comes from SHAKE-128, which is the same everywhere and for ever. R_d probes a side of
length d: the first d rows of one table of signs, its columns made orthonormal (times √d) where d is
small enough for that to count. One long row of signs serves the modules: each side of each module
takes its own window of it, which flips the entries of the side. So one matrix serves all modules of
a shape at once, and yet no two modules are probed alike.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from lorarium.adapter import Array, Module

VERSION = b"lorarium-sketch-1"
WINDOWS = 2**16  # places where a window may start
ORTHONORMAL = 2**15

_tables: dict[str, Array] = {}


class Address(NamedTuple):
    """Where the windows of a module start, and three words that choose its slots."""

    left: int
    right: int
    output: int
    input: int
    slots: tuple[int, int, int]


@lru_cache(maxsize=2**16)
def address(module: Module) -> Address:
    """Drawn from the part and path alone, so the same in every adapter."""
    key = b"\0".join([VERSION, module.part.encode(), module.path.encode()])
    a, b, c, d, *slots = struct.unpack("<4H3I", hashlib.blake2b(key, digest_size=20).digest())
    return Address(a, b, c, d, (slots[0], slots[1], slots[2]))


def probes(d: int, count: int) -> Array:
    """R_d, (d, count): RᵀR = d where d >= count, else R Rᵀ = count."""
    if d > ORTHONORMAL:
        return _sign_rows(d, count)
    return _orthonormal(d, count)


def _sign_rows(d: int, count: int) -> Array:
    return _signs(f"probes {count}", d * count)[: d * count].reshape(d, count)


@lru_cache(maxsize=64)
def _orthonormal(d: int, count: int) -> Array:
    wide = _sign_rows(d, count).astype(np.float64)
    if d >= count:
        frame = wide @ _inverse_root(wide.T @ wide / d)
    else:
        frame = _inverse_root(wide @ wide.T / count) @ wide
    return frame.astype(np.float32)


def windows(starts: Sequence[int], size: int, power: float = 1.0) -> Array:
    """The signs from each start on, (len(starts), size), times a number."""
    row = _row(WINDOWS + size, power)
    every = np.lib.stride_tricks.as_strided(row, (WINDOWS, size), (row.itemsize, row.itemsize))
    return every[np.asarray(starts, np.intp)]


def _inverse_root(gram: Array) -> Array:
    """The symmetric root of the inverse: the nearest orthonormal columns, with no signs to fix."""
    values, vectors = np.linalg.eigh(gram)
    return (vectors / np.sqrt(values)) @ vectors.T


def _row(length: int, power: float) -> Array:
    signs = _signs("row", length)
    return signs if power == 1 else _scaled(len(signs), power)


@cache
def _scaled(length: int, power: float) -> Array:
    return _signs("row", length) * np.float32(power)


def _signs(name: str, count: int) -> Array:
    """A table of at least `count` signs; a longer one begins with the shorter one."""
    table = _tables.get(name)
    if table is None or len(table) < count:
        size = max(2**20, 1 << (count - 1).bit_length())
        bits = hashlib.shake_128(VERSION + name.encode()).digest(size // 8)
        table = np.unpackbits(np.frombuffer(bits, np.uint8)).astype(np.float32) * 2 - 1
        table.flags.writeable = False
        _tables[name] = table
    return table
