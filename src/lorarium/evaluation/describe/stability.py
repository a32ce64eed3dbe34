"""Does a reading survive what people do to files: smaller ranks, eight bits, rescaling, merging?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lorarium.adapter import Adapter, Array, LowRank
from lorarium.algebra import add, recompress, scale
from lorarium.descriptors.gram import unit
from lorarium.descriptors.sketch import sketch
from lorarium.evaluation.describe.folds import Fold
from lorarium.evaluation.describe.rows import FittedContender
from lorarium.evaluation.describe.zoo import Corpus

Change = Callable[[Adapter, Adapter], Adapter]
FACTOR = 3.0  # of the rescaling, no power of two, so that it rounds


def half_rank(adapter: Adapter, other: Adapter) -> Adapter:
    ranks = [d.rank for _, d in adapter.items() if isinstance(d, LowRank)]
    return recompress(adapter, rank=max(1, max(ranks, default=2) // 2))[0]


def eight_bits(adapter: Adapter, other: Adapter) -> Adapter:
    """Each row of each factor rounded to whole numbers up to 127."""
    return _factors(adapter, _rounded, _rounded)


def rescaled(adapter: Adapter, other: Adapter) -> Adapter:
    """Numbers moved from one factor to the other, and half the strength."""
    moved = _factors(adapter, lambda B: B * FACTOR, lambda A: A / FACTOR)
    done = scale(moved, 0.5)
    assert isinstance(done, Adapter)
    return done


def merged(adapter: Adapter, other: Adapter) -> Adapter:
    """0.7 of it with 0.3 of somebody else's."""
    return add([adapter, other], [0.7, 0.3])


CHANGES: dict[str, Change] = {
    "half rank": half_rank,
    "eight bits": eight_bits,
    "rescaled": rescaled,
    "merged 0.7 : 0.3": merged,
}


def stability(
    row: FittedContender, corpus: Corpus, fold: Fold, *, max_queries: int = 48
) -> dict[str, Any]:
    """Per change: cosine with the reading of the untouched file, and R@1 before and after."""
    asked = fold.queries[np.linspace(0, len(fold.queries) - 1, min(max_queries, len(fold.queries)))
                         .round().astype(int)]  # fmt: skip
    truth, others = corpus.artist[asked], _strangers(corpus, asked)
    figures = {}
    for name, change in CHANGES.items():
        items = list(row.items)
        changed = [
            change(corpus.adapters[i], corpus.adapters[j])
            for i, j in zip(asked, others, strict=True)
        ]
        sketched = row.items is corpus.sketches
        items += [sketch(a) for a in changed] if sketched else changed
        queries = np.concatenate([asked, len(row.items) + np.arange(len(asked))])
        placed = FittedContender(row.name, items, row.make).place(fold.gallery, queries)
        if placed is None:
            continue
        before, after = np.split(unit(placed.queries), 2)
        tags = corpus.artist[fold.gallery][placed.members]
        hit = tags[placed.scores().argmax(1)] == np.concatenate([truth, truth])
        figures[name] = {
            "cosine": float((before * after).sum(1).mean()),
            "r_at_1 before": float(hit[: len(asked)].mean()),
            "r_at_1 after": float(hit[len(asked) :].mean()),
        }
    return figures


def _strangers(corpus: Corpus, asked: Array) -> Array:
    """For each adapter one of another artist among the asked."""
    order = np.roll(np.arange(len(asked)), -1)
    for i in range(len(asked)):
        while corpus.artist[asked[order[i]]] == corpus.artist[asked[i]] and order[i] != i:
            order[i] = (order[i] + 1) % len(asked)
    return asked[order]


def _factors(
    adapter: Adapter, left: Callable[[Array], Array], right: Callable[[Array], Array]
) -> Adapter:
    deltas = {
        module: LowRank(left(d.up), right(d.down), d.mid, d.scale) if isinstance(d, LowRank) else d
        for module, d in adapter.items()
    }
    return adapter.with_(deltas=deltas)


def _rounded(X: Array) -> Array:
    flat = X.reshape(len(X), -1).astype(np.float32)
    step = np.abs(flat).max(1, keepdims=True) / 127
    integers = np.rint(np.divide(flat, step, out=np.zeros_like(flat), where=step > 0))
    return (integers * step).reshape(X.shape).astype(X.dtype)
