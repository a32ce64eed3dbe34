"""What adapters draw and what they were trained on, as vectors of picture encoders.

Sampling is what weights spare one: it is kept on disk, one file an adapter, so that a stopped
evaluation goes on.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import nn

from lorarium.adapter import Adapter, Array
from lorarium.bases.base import Base
from lorarium.bases.sampling import sample
from lorarium.descriptors.learned import PICTURE_HEADS
from lorarium.encoders.encode import encode
from lorarium.encoders.store import load_encoder
from lorarium.errors import LorariumError
from lorarium.evaluation.describe.rows import DescriptorContender, VectorContender
from lorarium.evaluation.describe.zoo import Corpus
from lorarium.evaluation.judges import judge_file
from lorarium.formats.target import write_atomically
from lorarium.trained import ASSETS, asset
from lorarium.training.manifest import UNSEEN, Entry, pool_cell
from lorarium.world.scene import PHOTO, render
from lorarium.world.splits import SEEN_CLASSES

NEW = 12  # pictures of an artist that no adapter saw
Say = Callable[[str], None]


class EncoderHead(NamedTuple):
    """A picture encoder and the head whose vector stands for a picture."""

    net: nn.Module
    head: str


def views(kind: str, judge: str = "b") -> tuple[dict[str, EncoderHead], list[str]]:
    """CLIP-like, DINO-like and the judge's vector of hands or of individuals, and judge A for the
    aligned descriptor; with the reasons why one is missing."""
    aspect = "style" if kind == "style" else "identity"
    wanted = {
        "CLIP-like": (asset("clip_like"), "picture"),
        "DINO-like": (asset("dino_like"), "picture"),
        f"judge's {aspect}": (judge_file(judge), aspect),
        "judge A": (asset("judge_a"), ""),
    }
    heads, missing = {}, []
    for name, (path, head) in wanted.items():
        try:
            heads[name] = EncoderHead(load_encoder(path).net, head)
        except LorariumError as error:
            if path.parent != ASSETS:  # somebody named it
                raise
            missing.append(f"{name}: {error}")
    return heads, missing


def prompts(entry: Entry, count: int, seed: int) -> list[str]:
    """What an adapter is asked to draw: an artist the same classes as the others."""
    if entry.kind == "subject":
        known = entry.of[0] if entry.of[0] in SEEN_CLASSES else ""
        return [f"a sub1 {known} in {PHOTO}"] * count
    kinds = np.random.default_rng(seed).permutation(SEEN_CLASSES)[:count]
    return [f"a {kind} in sty1" for kind in kinds]


def sample_pictures(
    corpus: Corpus, base: Base, cache: Path, *, count: int, steps: int, seed: int, say: Say
) -> tuple[Array, Array]:
    """Pictures (n, count, s, s, 3) of every adapter from the same noise, and seconds."""
    cache.mkdir(parents=True, exist_ok=True)
    pictures, seconds = [], []
    for i, (entry, adapter) in enumerate(zip(corpus.entries, corpus.adapters, strict=True)):
        words = prompts(entry, count, seed)
        key = _key(corpus.paths[i], base.hash, steps, seed, words)
        drawing = _load_cached(cache / f"{key}.npz", count)
        if drawing is None:
            drawing = _draw(adapter, base, words, steps, seed)
            _save_cached(cache / f"{key}.npz", *drawing)
            say(f"{i + 1} of {len(corpus.entries)} adapters sampled")
        pictures.append(drawing[0])
        seconds.append(drawing[1])
    return np.stack(pictures), np.array(seconds)


def training_pictures(corpus: Corpus, size: int) -> list[Array]:
    """The pictures each adapter was trained on."""
    return [_pool(entry, entry.pictures, size) for entry in corpus.entries]


def unseen_pictures(corpus: Corpus, size: int) -> list[Array]:
    """New pictures of each artist, in the order of their numbers."""
    first = [int(np.flatnonzero(corpus.artist == a)[0]) for a in range(corpus.artist.max() + 1)]
    return [_pool(corpus.entries[i], range(UNSEEN, UNSEEN + NEW), size) for i in first]


def features(pictures: Sequence[Array], view: EncoderHead) -> Array:
    """Mean vector of each set of pictures, (n, d)."""
    (vectors,) = encode(view.net, np.concatenate(pictures), view.head)
    ends = np.cumsum([len(p) for p in pictures])[:-1]
    return np.stack([part.mean(0) for part in np.split(vectors, ends)])


def aligned_inputs(pictures: Sequence[Array], net: nn.Module) -> Array:
    """What the picture tower of the aligned descriptor reads, (n, f)."""
    return np.concatenate([features(pictures, EncoderHead(net, head)) for head in PICTURE_HEADS], 1)


def picture_rows(
    corpus: Corpus, seen: Mapping[str, EncoderHead], samples: tuple[Array, Array] | None, size: int
) -> list[DescriptorContender]:
    """Features of samples, and of the training pictures as the oracle."""
    rows: list[DescriptorContender] = []
    true = training_pictures(corpus, size)
    for name, view in seen.items():
        if not view.head:
            continue
        if samples is not None:
            began = time.perf_counter()
            vectors = features(list(samples[0]), view)
            seconds = (time.perf_counter() - began) / len(vectors) + float(samples[1].mean())
            rows.append(VectorContender(f"{name}, samples", vectors, "samples", seconds))
        rows.append(VectorContender(f"{name}, training pictures", features(true, view), "oracle"))
    return rows


def _pool(entry: Entry, numbers: Sequence[int], size: int) -> Array:
    subjects, styles, shots, _ = zip(*[pool_cell(entry, i) for i in numbers], strict=True)
    return render(subjects, styles, shots, size)


def _draw(
    adapter: Adapter, base: Base, words: list[str], steps: int, seed: int
) -> tuple[Array, float]:
    began = time.perf_counter()
    made = sample(base, words, adapters=[(adapter, 1.0)], steps=steps, seed=seed)
    return made, time.perf_counter() - began


def _key(path: Path, base: str, *numbers: object) -> str:
    digest = hashlib.sha256(path.read_bytes())
    digest.update(repr((base, *numbers)).encode())
    return digest.hexdigest()[:32]


def _load_cached(path: Path, count: int) -> tuple[Array, float] | None:
    """None for what is missing or damaged: it is drawn again."""
    try:
        with np.load(path, allow_pickle=False) as held:
            pictures, seconds = held["pictures"], float(held["seconds"])
    except Exception:  # numpy and zipfile raise many kinds on damaged files
        return None
    good = pictures.dtype == np.uint8 and pictures.ndim == 4 and len(pictures) == count
    return (pictures, seconds) if good else None


def _save_cached(path: Path, pictures: Array, seconds: float) -> None:
    held = io.BytesIO()
    np.savez_compressed(held, pictures=pictures, seconds=seconds)
    write_atomically(path, [held.getvalue()], force=True)
