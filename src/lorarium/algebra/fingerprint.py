"""Fingerprints: an exact one that lossless changes keep, and a vector that noise barely moves.

The hex hashes, per module, what is left after zero components, powers of two between factors,
signs, the order of components and the number type are taken away. The vector sketches ΔW with
probes uᵀ ΔW v that depend on the module's address and shape alone, so it is linear in ΔW.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator

import ml_dtypes
import numpy as np

from lorarium.adapter import (
    Adapter,
    Array,
    Bias,
    Delta,
    Dense,
    Dora,
    Hadamard,
    Kronecker,
    LowRank,
    Module,
)
from lorarium.algebra.forms import Vector, apply, flat, form, matrix_shape

VERSION = b"lorarium-fingerprint-1"
SIZE = 256  # coordinates of the vector
PROBES = 32  # per module, spread over the coordinates
NEAR_DUPLICATE = 0.99  # cosine of two vectors from which files count as the same adapter


def fingerprint(adapter: Adapter) -> str:
    """32 hex digits, equal for lossless changes of one adapter: dialect, rank padding, powers of
    two moved between factors, order of components and modules, exact widening of the dtype.
    """
    digest = hashlib.blake2b(VERSION, digest_size=16)
    for module, delta in adapter.items():
        delta_digest = _digest(delta)
        if delta_digest is not None:
            address = f"{module.part}:{module.path}".encode()
            digest.update(struct.pack("<I", len(address)) + address + delta_digest)
    for key, array in adapter.opaque.items():
        raw = np.ascontiguousarray(array)
        digest.update(_hash(b"opaque", key.encode(), str(raw.dtype).encode(), raw.tobytes()))
    return digest.hexdigest()


def fingerprint_vector(adapter: Adapter) -> Array:
    """A float32 unit vector (256,) of ΔW; all zero for a zero adapter, DoRA by its inner change."""
    sketch = np.zeros(SIZE, np.float64)
    for module, delta in adapter.items():
        change = delta.inner if isinstance(delta, Dora) else delta
        places, signs, values = _probe(module, change)
        np.add.at(sketch, places, signs * values)
    size = float(np.linalg.norm(sketch))
    if not np.isfinite(size) or size == 0:
        return np.zeros(SIZE, np.float32)
    return (sketch / size).astype(np.float32)


def near_duplicate(a: Array, b: Array, threshold: float = NEAR_DUPLICATE) -> bool:
    """Whether two fingerprint vectors are of one adapter up to number type and factorisation."""
    return bool(float(a @ b) >= threshold)


def _probe(module: Module, change: Delta) -> tuple[Array, Array, Array]:
    shape = matrix_shape(change)
    seed = repr((VERSION, module.part, module.path, shape)).encode()
    stream = hashlib.shake_128(seed).digest(4 * PROBES + (sum(shape) * PROBES + 7) // 8)
    words = np.frombuffer(stream, "<u4", PROBES)
    places, signs = (words % SIZE).astype(np.intp), np.where(words & 2**31, -1.0, 1.0)
    bits = np.unpackbits(np.frombuffer(stream, np.uint8, offset=4 * PROBES))
    probes = bits[: sum(shape) * PROBES].astype(np.float32) * 2 - 1
    left = probes[: shape[0] * PROBES].reshape(shape[0], PROBES)
    matrix = form(change, np.float32)
    if isinstance(matrix, Vector):
        return places, signs, (left.T @ matrix.b).astype(np.float64) * matrix.scale
    right = probes[shape[0] * PROBES :].reshape(shape[1], PROBES)
    image = apply(matrix, right)
    return places, signs, np.einsum("ij,ij->j", left, image, dtype=np.float64)


def _digest(delta: Delta) -> bytes | None:
    """Hash of one change, None for an exact zero."""
    if isinstance(delta, Dora):
        inside = _digest(delta.inner) or b"zero"
        magnitude, exponent = _normal(_wide(delta.magnitude).reshape(-1))
        return _hash(b"dora", inside, _bytes(magnitude), _int(exponent))
    if isinstance(delta, Dense | Bias):
        values = delta.weight if isinstance(delta, Dense) else delta.bias
        return _scaled(b"whole", delta.scale, _wide(values).reshape(matrix_shape(delta)))
    if isinstance(delta, LowRank):
        if delta.mid is not None:
            core = (_wide(delta.up).reshape(delta.up.shape[:2]), delta.mid, flat(_wide(delta.down)))
            return _finish(b"tucker", delta.scale, [_tucker(*core)])
        return _low_rank(delta)
    if isinstance(delta, Hadamard):
        sides = [
            _side(delta.w1_a, delta.w1_b, delta.t1),
            _side(delta.w2_a, delta.w2_b, delta.t2),
        ]
        return _finish(b"hadamard", delta.scale, sorted(sides, key=_order))
    sides = _kron_sides(delta)
    return _finish(b"kronecker", delta.scale, sides)


FactorHash = tuple[bytes, int, int] | None  # hash, exponent, sign; None for an exact zero


def _low_rank(delta: LowRank) -> bytes | None:
    side = _components(delta.up.reshape(delta.up.shape[:2]), flat(delta.down))
    return _finish(b"low-rank", delta.scale, [side])


def _kron_sides(delta: Kronecker) -> list[FactorHash]:
    sides: list[FactorHash] = []
    for matrix, a, b, core in (
        (delta.w1, delta.w1_a, delta.w1_b, None),
        (delta.w2, delta.w2_a, delta.w2_b, delta.t2),
    ):
        if matrix is not None:
            sides.append(_full(flat(_wide(matrix))))
        else:
            assert a is not None and b is not None
            sides.append(_side(a, b, core))
    return sides


def _side(a: Array, b: Array, core: Array | None) -> FactorHash:
    if core is None:
        return _components(a.reshape(a.shape[0], -1), flat(b))
    return _tucker(_wide(a).T, core, flat(_wide(b)))


def _components(B: Array, A: Array) -> FactorHash:
    """B A as an unordered set of rank-one terms, each normalised to exponent 0 and sign +."""
    B, A = _float32_rows(B.T), _float32_rows(A)
    alive = np.flatnonzero(B.any(axis=1) & A.any(axis=1))
    if not len(alive):
        return None
    if len(alive) < len(B):
        B, A = B[alive], A[alive]
    left, eb, sb = _normal_rows(B)
    right, ea, sa = _normal_rows(A)
    exponents, signs = eb + ea, (sb * sa).astype(int).tolist()
    top = int(exponents.max())
    terms = sorted(zip(_row_hashes(left, right), (exponents - top).tolist(), signs, strict=True))
    sign = terms[0][2]
    # as _hash frames h + _int(e) + _int(s * sign)
    framed = b"".join(struct.pack("<Q16sqq", 32, h, e, s * sign) for h, e, s in terms)
    return hashlib.blake2b(framed, digest_size=16).digest(), top, sign


def _float32_rows(rows: Array) -> Array:
    """Contiguous, and float32 unless wider: far faster to work on than the 8- and 16-bit types."""
    return np.ascontiguousarray(rows, None if rows.dtype.itemsize > 4 else np.float32)


def _row_hashes(left: Array, right: Array) -> list[bytes]:
    """`_hash` of each row of one beside the same row of the other, as `_bytes` writes them."""
    if left.dtype != np.float32 or right.dtype != np.float32:
        return [_hash(*pair) for pair in zip(_rows(left), _rows(right), strict=True)]
    pieces = []
    for rows in (left, right):  # as _hash frames them, for all rows at once
        frame = np.frombuffer(struct.pack("<Q", 1 + 4 * rows.shape[1]) + b"4", np.uint8)
        pieces += [np.broadcast_to(frame, (len(rows), len(frame))), rows.view(np.uint8)]
    framed = np.concatenate(pieces, axis=1)
    return [hashlib.blake2b(row, digest_size=16).digest() for row in framed]


def _normal_rows(rows: Array) -> tuple[Array, Array, Array]:
    """Each row over its sign and its power of two, float32 where it is exact; exponents; signs."""
    fast = _normal_rows_narrow(rows) if rows.dtype == np.float32 else None
    if fast is not None:
        return fast
    rows = _wide(rows)
    exponents, signs = _exponents(rows), _signs(rows)
    return np.ldexp(rows * signs, -exponents[:, None]), exponents, signs[:, 0]


def _normal_rows_narrow(rows: Array) -> tuple[Array, Array, Array] | None:
    """The same in float32 throughout, several times faster; None where that could round."""
    exponents = _exponents(rows)
    with np.errstate(over="ignore", invalid="ignore"):
        finite = np.isfinite(rows.sum(axis=1)).all()
    if not finite or np.abs(exponents).max() > 100:
        return None
    signs = _signs(rows)
    factors = np.ldexp(signs, -exponents[:, None]).astype(np.float32)
    normal = rows * factors
    small = np.abs(normal).min(initial=1, where=rows != 0)
    if small < np.finfo(np.float32).smallest_normal:
        return None
    normal += np.float32(0)  # one zero
    return normal, exponents, signs[:, 0]


def _tucker(up: Array, core: Array, down: Array) -> FactorHash:
    """up (out, r), core (r, s, ...), down (s, in): powers of two and signs go into the core."""
    mid = _wide(core)
    i = np.flatnonzero(up.any(axis=0) & mid.reshape(len(mid), -1).any(axis=1))
    j = np.flatnonzero(down.any(axis=1) & np.moveaxis(mid, 1, 0).reshape(mid.shape[1], -1).any(1))
    if not len(i) or not len(j):
        return None
    up_rows, down, mid = np.ascontiguousarray(up.T[i]), down[j], mid[np.ix_(i, j)]
    eu, ed = _exponents(up_rows), _exponents(down)
    su, sd = _signs(up_rows), _signs(down)
    tail = (1,) * (mid.ndim - 2)
    spread = (eu[:, None] + ed[None, :]).reshape(len(i), len(j), *tail)
    middle, exponent = _normal(np.ldexp(mid * (su * sd.T).reshape(spread.shape), spread))
    sign = float(_signs(middle.reshape(1, -1))[0, 0])
    up_rows, down = np.ldexp(up_rows * su, -eu[:, None]), np.ldexp(down * sd, -ed[:, None])
    shape = repr(middle.shape).encode()
    digest = _hash(b"core", shape, _bytes(up_rows), _bytes(middle * sign), _bytes(down))
    return digest, exponent, int(sign)


def _full(values: Array) -> FactorHash:
    if not values.any():
        return None
    sign = int(_signs(values.reshape(1, -1))[0, 0])
    normal, exponent = _normal(values * sign)
    return _hash(repr(values.shape).encode(), _bytes(normal)), exponent, sign


def _scaled(kind: bytes, scale: float, values: Array) -> bytes | None:
    return _finish(kind, scale, [_full(values)])


def _finish(kind: bytes, scale: float, sides: list[FactorHash]) -> bytes | None:
    """Pool exponents and signs of the sides with the scale, whose mantissa is kept as float32."""
    if scale == 0 or any(side is None for side in sides):
        return None
    mantissa, exponent = np.frexp(np.float64(abs(scale)))
    rounded, carry = np.frexp(np.float32(mantissa))
    sign = 1 if scale > 0 else -1
    total = int(exponent) + int(carry)
    for side in sides:
        assert side is not None
        total += side[1]
        sign *= side[2]
    hashes = b"".join(side[0] for side in sides if side is not None)
    return _hash(kind, struct.pack("<f", rounded), _int(total), _int(sign), hashes)


def _order(side: FactorHash) -> bytes:
    return b"" if side is None else side[0]


def _wide(values: Array) -> Array:
    """A type in which powers of two can be moved exactly."""
    small = values.dtype.itemsize < 4 and values.dtype != ml_dtypes.bfloat16
    return values.astype(np.float32 if small else np.float64)


def _exponents(rows: Array) -> Array:
    return np.frexp(np.abs(rows).max(axis=1))[1].astype(np.int64)


def _signs(rows: Array) -> Array:
    """The sign of the first entry that is not zero, (k, 1)."""
    first = (rows != 0).argmax(axis=1)
    negative = np.take_along_axis(rows, first[:, None], 1) < 0
    return np.where(negative, -1, 1).astype(rows.dtype)


def _normal(values: Array) -> tuple[Array, int]:
    exponent = int(np.frexp(np.abs(values).max(initial=0))[1])
    return np.ldexp(values, -exponent), exponent


def _bytes(values: Array) -> bytes:
    return next(_rows(values.reshape(1, -1)))


def _rows(values: Array) -> Iterator[bytes]:
    """Exact values of each row as bytes: float32 where that is exact, one zero and one NaN."""
    values = values + values.dtype.type(0)
    values[np.isnan(values)] = np.nan
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        narrow = values.astype("<f4", copy=False)
    exact = ((narrow == values) | np.isnan(values)).all(axis=1)
    for i, short in enumerate(exact):
        yield b"4" + narrow[i].tobytes() if short else b"8" + values[i].astype("<f8").tobytes()


def _int(value: int) -> bytes:
    return struct.pack("<q", value)


def _hash(*parts: bytes) -> bytes:
    framed = b"".join(struct.pack("<Q", len(part)) + part for part in parts)
    return hashlib.blake2b(framed, digest_size=16).digest()
