"""Sums entry by entry, some rows at a time: no more than the result itself is alive at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lorarium.adapter import Array, Bias, Delta, Dense
from lorarium.algebra.dtypes import (
    DTypeLike,
    cast_exactly,
    factor_dtype,
    refuse_lost,
    rounded_to,
)
from lorarium.algebra.forms import Form, FullMatrix, Vector, arrays, form, row_blocks, rows
from lorarium.algebra.sides import need_formable

Terms = Sequence[tuple[Delta, float]]


def sum_dense(terms: Terms, dtype: DTypeLike) -> Dense | Bias:
    """Σ weight * ΔW in float64; a 16-bit result that would round becomes float32."""
    forms = [(form(delta), weight) for delta, weight in terms]
    if not any(isinstance(f, Vector | FullMatrix) for f, _ in forms):
        need_formable(*forms[0][0].shape)
    stored = np.dtype(dtype or factor_dtype(a.dtype for d, _ in terms for a in arrays(d)))
    values, exact, largest = _rounded(forms, stored)
    if not exact:
        if dtype is None and stored.itemsize < 4:
            stored = np.dtype(np.float32)
            values, _, largest = _rounded(forms, stored)
        refuse_lost(
            largest, stored, lambda: ((block, values[span]) for span, block in _blocks(forms))
        )
    if all(isinstance(d, Bias) for d, _ in terms):
        return Bias(values)
    first = max((d for d, _ in terms), key=lambda d: len(d.shape))
    return Dense(values.reshape(first.shape))


def _rounded(forms: Sequence[tuple[Form, float]], stored: np.dtype) -> tuple[Array, bool, float]:
    """The sum in a number type, whether it holds it exactly, and its largest entry."""
    values = np.empty(forms[0][0].shape, stored)
    exact, largest = True, 0.0
    for span, block in _blocks(forms):
        exact = exact and cast_exactly(block, stored) is not None
        largest = max(largest, float(np.abs(block).max(initial=0.0)))
        values[span] = rounded_to(block, stored)
    return values, exact, largest


def _blocks(forms: Sequence[tuple[Form, float]]) -> Iterator[tuple[slice, Array]]:
    first = forms[0][0]
    spans = [(0, first.shape[0])] if isinstance(first, Vector) else row_blocks(first)
    for low, high in spans:
        shape = (high - low, *first.shape[1:])
        total = np.zeros(shape, np.float64)
        for matrix, weight in forms:
            part = matrix.b if isinstance(matrix, Vector) else rows(matrix, low, high)
            total += (part * part.dtype.type(matrix.scale)).reshape(shape) * np.float64(weight)
        yield slice(low, high), total
