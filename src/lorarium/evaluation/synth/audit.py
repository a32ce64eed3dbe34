"""Does a generator give back what it was trained on? The nearest training artist against the
artist that was asked for, in the judge's style or identity space and by the output side of the
weights. And the closed loop: does a new LoRA lie nearest to those trained on the same artist?

Raw distances of weights say nothing: random factors make everything look far.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from lorarium.descriptors.gram import unit
from lorarium.descriptors.sketch import sketch
from lorarium.encoders.encode import encode
from lorarium.evaluation.describe.zoo import Zoo
from lorarium.evaluation.judges import Judge
from lorarium.evaluation.statistics import two_way_bootstrap
from lorarium.evaluation.synth.targets import Target, pool
from lorarium.formats import read
from lorarium.training.manifest import Entry
from lorarium.training.mint import path_of

Array = np.ndarray
EACH = 10  # of a genre or class
STRANGERS = 1000  # the first number of the validation split
TRAINING, STRANGER = "nearer to one of training", "nearer to a stranger"
PICTURES = 6
ITSELF = 0.9999  # a cosine: an adapter of the folder is asked for others of its artist
HEADS = {"style": "style", "subject": "identity"}


def memorised(
    judge: Judge, kind: str, targets: Sequence[Target], cells: Mapping[str, Mapping[str, Array]],
    size: int, learned: Sequence[tuple[str, str, int]] | None,
) -> dict[str, Any] | None:  # fmt: skip
    """Of each row: the share of targets for which some artist or individual that the generator
    learned from is nearer to what was drawn than the target itself, and the same with strangers:
    as many of the same names that nobody learned from. A generator that gives back what it has
    seen is nearer to the former; one that is only imprecise is as near to either. None without
    those that it learned from."""
    trained = [(name, number) for what, name, number in learned or () if what == kind]
    if kind == "subject":  # the hardest are of the target's own class
        trained = [of for of in trained if of[0] in {t.of[0] for t in targets}]
    train = [of for name in sorted({n for n, _ in trained}) for of in _first(trained, name)]
    if not train:
        return None
    count: Counter[str] = Counter()
    strangers = []
    for name, _ in train:
        strangers.append((name, STRANGERS + count[name]))
        count[name] += 1
    known, fresh = (
        np.stack([
            _mean(judge, kind, pool(kind, of, split, range(PICTURES), size)[0]) for of in some
        ])
        for some, split in ((train, "train"), (strangers, "validation"))
    )  # fmt: skip
    target_vectors = np.stack([_mean(judge, kind, t.references) for t in targets])
    rows = {}
    for name, pictures in cells.items():
        drawn = np.stack([_mean(judge, kind, pictures[t.name]) for t in targets])
        near, far = (drawn @ known.T).max(1), (drawn @ fresh.T).max(1)
        right = (drawn * target_vectors).sum(1)
        rows[name] = {
            TRAINING: round(float((near > right).mean()), 4),
            STRANGER: round(float((far > right).mean()), 4),
            "nearer to training than to strangers by": {
                k: round(v, 4)
                for k, v in asdict(two_way_bootstrap((near - far)[:, None], seed=0)).items()
            },
        }
    return {"training": len(train), "rows": rows}


def _first(those: Sequence[tuple[str, int]], name: str) -> list[tuple[str, int]]:
    return [of for of in those if of[0] == name][:EACH]


def among_weights(
    kind: str, targets: Sequence[Target], outputs: Mapping[str, Mapping[str, Array]], zoo: Zoo,
    split: str,
) -> dict[str, Any] | None:  # fmt: skip
    """By centred cosine of output sketches, for rows that made LoRAs: the share whose nearest
    artist of the split is the right one, and the share for which a LoRA of a training artist, or
    of a stranger, is nearer than the right one; of either as many. None when the folder does not
    hold these artists."""
    recipe = _usual(zoo, kind)
    train, others, test = (
        [e for e in zoo.part(kind, name) if e.recipe == recipe]
        for name in ("train", "validation", split)
    )
    if others:
        train, others = (_evenly(part, min(len(train), len(others))) for part in (train, others))
    asked = [t for t in targets if t.of in {e.of for e in test}]
    if not asked or not train or len({e.of for e in test}) < 2:
        return None
    known, peers = (np.stack([_output(zoo, e) for e in part]) for part in (train, test))
    mean = known.mean(0)
    known, peers = unit(known - mean), unit(peers - mean)
    fresh = unit(np.stack([_output(zoo, e) for e in others]) - mean) if others else None
    rows = {}
    for name, outputs_of in outputs.items():
        if not all(len(outputs_of[t.name]) for t in asked):
            continue
        made = unit(np.stack([outputs_of[t.name] for t in asked]).astype(np.float32) - mean)
        near = made @ peers.T
        near[near > ITSELF] = -2
        same_artist = np.array([[e.of == t.of for e in test] for t in asked])
        right = same_artist[np.arange(len(asked)), near.argmax(1)]
        nearest_own = np.where(same_artist, near, -2).max(1)
        rows[name] = {
            "nearest is its artist": round(float(right.mean()), 4),
            **{
                words: None
                if those is None
                else round(float(((made @ those.T).max(1) > nearest_own).mean()), 4)
                for words, those in ((TRAINING, known), (STRANGER, fresh))
            },
        }
    return {"targets": len(asked), "adapters": len(test), "training": len(train), "rows": rows}


def _usual(zoo: Zoo, kind: str) -> str:
    """The recipe of most training adapters."""
    names = [e.recipe for e in zoo.part(kind, "train") if e.recipe != "random"]
    return max(sorted(set(names)), key=names.count) if names else ""


def _evenly(those: list[Entry], count: int) -> list[Entry]:
    return [those[i] for i in np.linspace(0, len(those) - 1, count).round().astype(int)]


def _output(zoo: Zoo, entry: Entry) -> Array:
    return sketch(read(path_of(zoo.folder, entry))).output


def _mean(judge: Judge, kind: str, pictures: Array) -> Array:
    (vectors,) = encode(judge.net, pictures, HEADS[kind])
    return unit(unit(vectors).mean(0, keepdims=True))[0]
