"""Does a generator give back what it was trained on? The nearest training artist against the
artist that was asked for, in the judge's style or identity space and by the output side of the
weights. And the closed loop: does a new LoRA lie nearest to those trained on the same artist?

Raw distances of weights say nothing: random factors make everything look far.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lorarium.describe.gram import unit
from lorarium.describe.sketch import sketch
from lorarium.encoders.encode import encode
from lorarium.evaluate.describe.zoo import Zoo
from lorarium.evaluate.judges import Judge
from lorarium.evaluate.synth.targets import Target, pool
from lorarium.formats import read
from lorarium.train.manifest import Entry
from lorarium.train.mint import path_of
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


def among_weights(
    kind: str, targets: Sequence[Target], outputs: Mapping[str, Mapping[str, Array]], zoo: Zoo,
    split: str,
) -> dict[str, Any] | None:  # fmt: skip
    """By centred cosine of output sketches, for rows that made LoRAs: the share whose nearest
    artist of the split is the right one, and the share for which a training artist is nearer than
    the right one. None when the folder does not hold these artists."""
    train, test = (_usual(zoo, kind, name) for name in ("train", split))
    asked = [t for t in targets if t.of in {e.of for e in test}]
    if not asked or not train or len({e.of for e in test}) < 2:
        return None
    known, peers = (np.stack([_output(zoo, e) for e in part]) for part in (train, test))
    mean = known.mean(0)
    strangers, peers = unit(known - mean), unit(peers - mean)
    rows = {}
    for name, found in outputs.items():
        if not all(len(found[t.name]) for t in asked):
            continue
        made = unit(np.stack([found[t.name] for t in asked]).astype(np.float32) - mean)
        near, far = made @ peers.T, (made @ strangers.T).max(1)
        own = np.array([[e.of == t.of for e in test] for t in asked])
        right = own[np.arange(len(asked)), near.argmax(1)]
        mine = np.where(own, near, -2).max(1)
        rows[name] = {
            "nearest is its artist": round(float(right.mean()), 4),
            "a training artist is nearer": round(float((far > mine).mean()), 4),
        }
    return {"targets": len(asked), "adapters": len(test), "training": len(train), "rows": rows}


def _usual(zoo: Zoo, kind: str, split: str) -> list[Entry]:
    entries = [e for e in zoo.part(kind, split) if e.recipe != "random"]
    names = [e.recipe for e in entries]
    usual = max(sorted(set(names)), key=names.count) if names else ""
    return [e for e in entries if e.recipe == usual]


def _output(zoo: Zoo, entry: Entry) -> Array:
    return sketch(read(path_of(zoo.folder, entry))).output


def _mean(judge: Judge, kind: str, pictures: Array) -> Array:
    (vectors,) = encode(judge.net, pictures, HEADS[kind])
    return unit(unit(vectors).mean(0, keepdims=True))[0]
