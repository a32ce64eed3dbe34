"""The world's mark: what is written into everything trained on it, and refused where it differs."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import lru_cache
from pathlib import Path

import numpy as np

from lorarium.errors import LorariumError
from lorarium.world.scene import PHOTO, Style, Subject, View, render
from lorarium.world.styles import GENRES
from lorarium.world.subjects import CLASSES
from lorarium.world.words import VOCABULARY


@lru_cache(maxsize=1)
def world_mark() -> str:
    """A short text that changes with the world: a hash of its words, then what probe pictures of
    every class and genre look like, one byte for lightness and one for roughness each.

    Processors differ in the last digit of a sine, so the bytes are compared by `same_world` with
    a tolerance of one; a hash of the pictures themselves would refuse honest machines.
    """
    probes = [(Subject(kind, 7), Style(PHOTO, 7)) for kind in sorted(CLASSES)]
    probes += [(Subject(sorted(CLASSES)[i], i), Style(genre, i)) for genre in sorted(GENRES)
               for i in range(4)]  # fmt: skip
    views = [View(i) for i in range(len(probes))]
    pictures = render([s for s, _ in probes], [a for _, a in probes], views, 48).astype(np.float32)
    light = pictures.mean((1, 2, 3))
    rough = np.abs(np.diff(pictures, axis=2)).mean((1, 2, 3)) * 4
    looks = np.clip(np.rint(np.stack([light, rough], 1)), 0, 255).astype(np.uint8).tobytes()
    words = hashlib.sha256(json.dumps([VOCABULARY, sorted(CLASSES), sorted(GENRES)]).encode())
    return f"{words.hexdigest()[:16]}:{base64.b64encode(looks).decode()}"


def same_world(one: str, other: str) -> bool:
    words_1, _, looks_1 = one.partition(":")
    words_2, _, looks_2 = other.partition(":")
    if words_1 != words_2:
        return False
    try:
        a, b = (np.frombuffer(base64.b64decode(looks), np.uint8) for looks in (looks_1, looks_2))
    except ValueError:  # the text of a stranger's file
        return False
    return len(a) == len(b) and bool(np.abs(a.astype(int) - b.astype(int)).max(initial=0) <= 1)


def require_this_world(
    mark: object, where: Path, hint: str = "use what ships with this version, or train it"
) -> None:
    """Refuse a file that stands on another world than this one."""
    if not same_world(str(mark), world_mark()):
        raise LorariumError("made for another world or vocabulary", where=str(where), hint=hint)
