"""What an adapter does to pictures, foretold from its weights.

CARLoS (arXiv 2512.08826) draws the same prompts from the same noise with an adapter and without,
and takes the differences of CLIP features: their mean *direction*, mean length (*strength*) and
mean cosine with each other (*consistency*). Here a ridge regression says the three from weights,
of artists that it did not see.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lorarium.adapter import Array
from lorarium.bases.base import Base
from lorarium.bases.sampling import sample
from lorarium.descriptors.gram import unit
from lorarium.encoders.encode import encode
from lorarium.evaluation.describe.looks import EncoderHead, prompts
from lorarium.evaluation.describe.traces import cross_predictions, r_squared
from lorarium.evaluation.describe.zoo import Corpus

Figures = dict[str, Any]


def effects(
    corpus: Corpus, base: Base, drawn: Array, view: EncoderHead, *, steps: int, seed: int
) -> Array:
    """Features of each picture (n, count, s, s, 3) less those of the base's picture for the same
    prompt and noise, (n, count, d); features are of length one."""
    without: dict[tuple[str, ...], Array] = {}
    changes = []
    for entry, pictures in zip(corpus.entries, drawn, strict=True):
        words = tuple(prompts(entry, len(pictures), seed))
        if words not in without:
            plain = sample(base, words, steps=steps, seed=seed)
            without[words] = unit(encode(view.net, plain, view.head)[0])
        changes.append(unit(encode(view.net, pictures, view.head)[0]) - without[words])
    return np.stack(changes)


def behaviour(corpus: Corpus, readings: Mapping[str, Array], changes: Array) -> Figures:
    """For each reading (n, f): the cosine of foretold and true direction, how often the artist
    whose direction is nearest to the foretold one is the right one (what all have in common taken
    away), and R² of strength and consistency. `blind` foretells the mean of the others; `drawn
    again` is what half of the pictures say of the other half."""
    direction, strength, consistency = carlos(changes)
    artists = corpus.artist
    held = {"blind": np.zeros((len(artists), 1)), **readings}
    figures: Figures = {}
    for name, X in held.items():
        prediction = cross_predictions(X, direction, artists)
        figures[name] = _direction_figures(prediction, direction, artists) | {
            "strength": r_squared(X, strength, artists),
            "consistency": r_squared(X, consistency, artists),
        }
    count = changes.shape[1]
    if count >= 4:
        one, two = carlos(changes[:, : count // 2]), carlos(changes[:, count // 2 :])
        figures["drawn again"] = _direction_figures(one[0], two[0], artists) | {
            "strength": float(np.corrcoef(one[1], two[1])[0, 1]) ** 2,
            "consistency": float(np.corrcoef(one[2], two[2])[0, 1]) ** 2,
        }
    return figures


def carlos(changes: Array) -> tuple[Array, Array, Array]:
    """Mean difference (n, d), mean length (n,), mean cosine of two differences (n,)."""
    count = changes.shape[1]
    each = unit(changes)
    pairs = np.square(each.sum(1)).sum(1) - np.square(each).sum((1, 2))
    length = np.linalg.norm(changes, axis=2).mean(1)
    return changes.mean(1), length, pairs / max(1, count * (count - 1))


def _direction_figures(prediction: Array, true: Array, artists: Array) -> dict[str, float]:
    cosine = (unit(prediction) * unit(true)).sum(1).mean()
    means = np.stack([true[artists == a].mean(0) for a in range(int(artists.max()) + 1)])
    centre = means.mean(0)
    near = (unit(prediction - centre) @ unit(means - centre).T).argmax(1)
    return {"direction": float(cosine), "artist": float((near == artists).mean())}
