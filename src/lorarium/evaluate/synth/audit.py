"""Does a generator give back what it was trained on? The nearest training artist against the
artist that was asked for, in the judge's style or identity space.

Raw distances of weights say nothing: random factors make everything look far.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lorarium.describe.gram import unit
from lorarium.encoders.encode import encode
from lorarium.evaluate.judges import Judge
from lorarium.evaluate.synth.targets import Target, pool
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES, TRAIN_NUMBERS

Array = np.ndarray
EACH = 10  # training artists of a genre
PICTURES = 6
HEADS = {"style": "style", "subject": "identity"}


def memorised(
    judge: Judge, kind: str, targets: Sequence[Target], cells: Mapping[str, Mapping[str, Array]],
    size: int,
) -> dict[str, Any]:  # fmt: skip
    """Of each row: the share of targets for which some training artist is nearer to what was drawn
    than the target itself."""
    names = SEEN_GENRES if kind == "style" else SEEN_CLASSES[:: max(1, len(SEEN_CLASSES) // 15)]
    train = [(n, TRAIN_NUMBERS[0] + i) for n in names for i in range(EACH)]
    if kind == "subject":  # the hardest are of the target's own class
        train = [(t.of[0], TRAIN_NUMBERS[0] + i) for t in targets for i in range(EACH)]
    known = np.stack([
        _mean(judge, kind, pool(kind, of, "train", range(PICTURES), size)[0]) for of in train
    ])  # fmt: skip
    own = np.stack([_mean(judge, kind, t.references) for t in targets])
    rows = {}
    for name, found in cells.items():
        drawn = np.stack([_mean(judge, kind, found[t.name]) for t in targets])
        rows[name] = round(float(((drawn @ known.T).max(1) > (drawn * own).sum(1)).mean()), 4)
    return {"training": len(train), "nearer to a training one": rows}


def _mean(judge: Judge, kind: str, pictures: Array) -> Array:
    (vectors,) = encode(judge.net, pictures, HEADS[kind])
    return unit(unit(vectors).mean(0, keepdims=True))[0]
