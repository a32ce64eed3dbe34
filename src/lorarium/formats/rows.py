"""Row surgery on a weight change, exact on the factors: split, join and swap blocks of outputs.

A fused matrix (q, k and v in one) is a stack of rows. Rows of B A are rows of B, so a part keeps
the whole A; parts with different A's are joined as diag(B1, B2) [A1; A2], rank r1 + r2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from lorarium.adapter import Array, Bias, Delta, Dense, Dora, Hadamard, Linear, LowRank


def heights(total: int, ratios: Sequence[int]) -> list[int] | None:
    """Row counts in the given ratios, None when the total does not divide."""
    unit, rest = divmod(total, sum(ratios))
    return None if rest or not unit else [unit * ratio for ratio in ratios]


def split(delta: Delta, parts: Sequence[int], tag: str) -> list[Delta] | None:
    """The parts of a fused change, top to bottom; None where the kind cannot be cut exactly."""
    ends = np.cumsum(parts)
    spans = [(int(end - rows), int(end)) for rows, end in zip(parts, ends, strict=True)]
    pieces = [_cut(delta, partial(_span, span=span), span, tag) for span in spans]
    if any(piece is None for piece in pieces):
        return None
    blocks = [piece for piece in pieces if piece is not None]
    if all(isinstance(piece, LowRank) for piece in blocks):
        return _unblock([piece for piece in blocks if isinstance(piece, LowRank)])
    if all(isinstance(piece, Hadamard) for piece in blocks):
        return _unblock_hadamard([piece for piece in blocks if isinstance(piece, Hadamard)])
    return blocks


def swap(delta: Delta) -> Delta | None:
    """The upper and lower half of the rows change places; None where that is not exact."""
    if delta.shape[0] % 2:
        return None

    def exchange(x: Array, axis: int) -> Array:
        middle = x.shape[axis] // 2
        first, second = _span(x, axis, (0, middle)), _span(x, axis, (middle, x.shape[axis]))
        return np.concatenate([second, first], axis=axis)

    return _cut(delta, exchange, None, None)


def _span(x: Array, axis: int, span: tuple[int, int]) -> Array:
    return x[span[0] : span[1]] if axis == 0 else x[:, span[0] : span[1]]


def _cut(
    delta: Delta,
    rows: Callable[[Array, int], Array],
    span: tuple[int, int] | None,
    tag: str | None,
) -> Delta | None:
    """`rows` picks rows of an array; its second argument is the axis the rows run along."""
    if isinstance(delta, LowRank):
        return replace(delta, up=rows(delta.up, 0), fused=tag, fused_rows=span)
    if isinstance(delta, Hadamard):
        axis = 0 if delta.t1 is None else 1
        return replace(delta, w1_a=rows(delta.w1_a, axis), w2_a=rows(delta.w2_a, axis))
    if isinstance(delta, Dense):
        return replace(delta, weight=rows(delta.weight, 0))
    if isinstance(delta, Bias):
        return replace(delta, bias=rows(delta.bias, 0))
    if isinstance(delta, Dora):
        inner = _cut(delta.inner, rows, span, tag)
        if inner is None or isinstance(inner, Dora) or delta.magnitude.shape[0] == 1:
            return None
        return Dora(inner, rows(delta.magnitude, 0))
    return None


def _unblock(parts: list[LowRank]) -> list[Delta]:
    """Undo block-diagonal joining: where no column of B serves two parts, each keeps its own."""
    own = None if parts[0].mid is not None else _own_columns([part.up for part in parts])
    if own is None:
        return list(parts)
    return [
        replace(part, up=part.up[:, keep], down=part.down[keep], fused=None, fused_rows=None)
        for part, keep in zip(parts, own, strict=True)
    ]


def _unblock_hadamard(parts: list[Hadamard]) -> list[Delta]:
    """The same for both factors of a Hadamard product."""
    if parts[0].t1 is not None:
        return list(parts)
    first = _own_columns([part.w1_a for part in parts])
    second = _own_columns([part.w2_a for part in parts])
    if first is None or second is None:
        return list(parts)
    return [
        replace(
            part,
            w1_a=part.w1_a[:, one],
            w1_b=part.w1_b[one],
            w2_a=part.w2_a[:, two],
            w2_b=part.w2_b[two],
        )
        for part, one, two in zip(parts, first, second, strict=True)
    ]


def _own_columns(blocks: list[Array]) -> list[slice] | None:
    """The columns each block uses, None when two share one or all but one are zero."""
    first = np.stack([block[0].reshape(block.shape[1], -1)[:, 0] != 0 for block in blocks])
    if len(blocks) < 2 or (first.sum(axis=0) > 1).any():
        return None
    used = np.stack([np.any(block != 0, axis=(0, *range(2, block.ndim))) for block in blocks])
    if (used.sum(axis=0) > 1).any() or used.any(axis=1).sum() < 2:
        return None
    spans = []
    for columns in used:
        at = np.flatnonzero(columns)
        spans.append(slice(int(at[0]), int(at[-1]) + 1) if at.size else slice(None))
    return spans


def join(parts: Sequence[Delta | None], rows: Sequence[int]) -> Delta | None:
    """The change of the fused matrix; a missing part is a block of zero rows. None: not exact.

    Parts must agree in kind and, to stay exact, in scale (fold the scales first).
    """
    present = [part for part in parts if part is not None]
    kinds = {type(part) for part in present}
    if len(kinds) != 1 or len({part.scale for part in present}) != 1:
        return None
    if isinstance(present[0], Dora):
        if len(present) != len(parts):
            return None
        doras = [part for part in present if isinstance(part, Dora)]
        if any(dora.magnitude.shape[0] == 1 for dora in doras):
            return None
        inner = join([dora.inner for dora in doras], rows)
        if inner is None or isinstance(inner, Dora):
            return None
        return Dora(inner, np.concatenate([dora.magnitude for dora in doras]))
    if isinstance(present[0], LowRank):
        return _join_low_rank([p for p in parts if p is None or isinstance(p, LowRank)], rows)
    if isinstance(present[0], Hadamard):
        return _join_hadamard([p for p in parts if p is None or isinstance(p, Hadamard)], rows)
    if isinstance(present[0], Dense | Bias):
        return _join_dense(parts, present, rows)
    return None


def _join_low_rank(parts: Sequence[LowRank | None], rows: Sequence[int]) -> LowRank | None:
    present = [part for part in parts if part is not None]
    first = present[0]
    if any(part.mid is not None for part in present):
        return None
    if len({(part.down.shape[1:], part.up.shape[2:], part.up.dtype) for part in present}) != 1:
        return None
    if all(_same(part.down, first.down) for part in present):
        return replace(first, up=_stack(parts, rows), fused=None, fused_rows=None)
    ups = _diagonal([None if p is None else p.up for p in parts], rows)
    down = np.concatenate([part.down for part in present])
    return LowRank(ups, down, None, first.scale)


def _stack(parts: Sequence[LowRank | None], rows: Sequence[int]) -> Array:
    first = next(part for part in parts if part is not None).up
    blocks = [
        np.zeros((count, *first.shape[1:]), first.dtype) if part is None else part.up
        for part, count in zip(parts, rows, strict=True)
    ]
    return np.concatenate(blocks)


def _diagonal(blocks: Sequence[Array | None], rows: Sequence[int]) -> Array:
    present = [block for block in blocks if block is not None]
    columns = sum(block.shape[1] for block in present)
    block_diagonal = np.zeros((sum(rows), columns, *present[0].shape[2:]), present[0].dtype)
    top = left = 0
    for block, count in zip(blocks, rows, strict=True):
        if block is not None:
            block_diagonal[top : top + count, left : left + block.shape[1]] = block
            left += block.shape[1]
        top += count
    return block_diagonal


def _join_hadamard(parts: Sequence[Hadamard | None], rows: Sequence[int]) -> Hadamard | None:
    """Both factors block-diagonal: a part's rows meet only its own columns in either factor."""
    present = [part for part in parts if part is not None]
    first = present[0]
    if any(part.t1 is not None for part in present):
        return None
    if len(present) == len(parts) and all(
        _same(part.w1_b, first.w1_b) and _same(part.w2_b, first.w2_b) for part in present
    ):
        return replace(
            first,
            w1_a=np.concatenate([part.w1_a for part in present]),
            w2_a=np.concatenate([part.w2_a for part in present]),
        )
    return Hadamard(
        _diagonal([None if p is None else p.w1_a for p in parts], rows),
        np.concatenate([part.w1_b for part in present]),
        _diagonal([None if p is None else p.w2_a for p in parts], rows),
        np.concatenate([part.w2_b for part in present]),
        scale=first.scale,
    )


def _join_dense(
    parts: Sequence[Delta | None], present: Sequence[Delta], rows: Sequence[int]
) -> Linear:
    arrays = [None if p is None else getattr(p, _ARRAY[type(present[0])]) for p in parts]
    shape, dtype = next((a.shape[1:], a.dtype) for a in arrays if a is not None)
    blocks = [
        np.zeros((count, *shape), dtype) if array is None else array
        for array, count in zip(arrays, rows, strict=True)
    ]
    values = np.concatenate(blocks)
    if isinstance(present[0], Bias):
        return Bias(values, present[0].scale)
    return Dense(values, present[0].scale)


_ARRAY: dict[type, str] = {Dense: "weight", Bias: "bias"}


def _same(a: Array, b: Array) -> bool:
    return a is b or (a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())
