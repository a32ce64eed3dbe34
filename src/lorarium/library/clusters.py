"""Groups of like adapters, named by the words that their metadata share and others lack."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np

from lorarium.adapter import Array
from lorarium.errors import one_line
from lorarium.library.calibrate import chance
from lorarium.library.family_space import WHOLE
from lorarium.library.snapshot import Snapshot
from lorarium.library.spaces import for_adapters
from lorarium.library.where import Mask

LARGEST = 20_000  # adapters that are clustered together; others join the nearest of them
DIRECT, COORDINATES = 5_000, 256  # more of them are clustered after a PCA to so many coordinates
BLOCK, SAMPLE = 512, 2000
SHARE = 0.4  # of a cluster must have a word for it to stand in the name
NAMED = 3
WORD = re.compile(r"[^\W\d_]{3,}")
DULL = frozenset("lora the and for safetensors pytorch weights adapter model epoch step".split())


@dataclass(frozen=True)
class Cluster:
    name: str
    family: str
    middle: str  # path of the most typical one
    paths: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "family": self.family,
            "size": len(self.paths),
            "middle": self.middle,
            "paths": list(self.paths),
        }


def clusters(
    snapshot: Snapshot, where: str | Mask | None = None, *, min_size: int = 3
) -> list[Cluster]:
    """All clusters of at least `min_size` contents, the largest first, without what is in none."""
    allowed = snapshot.allowed(where)
    all_clusters = []
    for family in sorted(snapshot.families()):
        ids, vectors = family_vectors(snapshot, family, allowed)
        all_clusters += _of_family(snapshot, family, ids, vectors, grouped(vectors, min_size))
    return sorted(all_clusters, key=lambda c: (-len(c.paths), c.name))


def family_vectors(
    snapshot: Snapshot, family: str, allowed: set[str] | None
) -> tuple[list[str], Array]:
    """Ids and unit vectors (n, d), in order of the ids."""
    encoder = for_adapters(snapshot.encoders, family, snapshot.tables)
    if encoder.table(family) not in snapshot.tables:
        return [], np.zeros((0, 0), np.float32)
    space = snapshot.space(encoder, family)
    ids = sorted(id for id in space.ids if allowed is None or id in allowed)
    if len(ids) <= WHOLE and space.longer:
        full = space.full(ids)
        ids = [id for id in ids if id in full]
        return ids, np.array([full[id] for id in ids], np.float32)
    return ids, np.array([*space.stored.vectors(ids).values()], np.float32)


def grouped(vectors: Array, min_size: int, seed: int = 0) -> Array:
    """The number of each vector's cluster, -1 for none (HDBSCAN)."""
    n = len(vectors)
    labels = np.full(n, -1)
    if n < 2 * min_size:
        return labels
    from sklearn.cluster import HDBSCAN
    from sklearn.decomposition import PCA

    some = np.arange(n)
    if n > LARGEST:
        some = np.sort(np.random.default_rng(seed).choice(n, LARGEST, replace=False))
    known = vectors[some]
    if len(some) > DIRECT and vectors.shape[1] > COORDINATES:
        known = PCA(COORDINATES, random_state=seed).fit_transform(known)
    labels[some] = HDBSCAN(min_cluster_size=min_size, copy=True).fit_predict(known)
    rest = np.setdiff1d(np.arange(n), some)
    for start in range(0, len(rest), BLOCK):
        part = rest[start : start + BLOCK]
        labels[part] = labels[some][np.argmax(vectors[part] @ vectors[some].T, axis=1)]
    return _only_close(vectors, labels, min_size)


def _only_close(vectors: Array, labels: Array, min_size: int) -> Array:
    """Leave out who is no nearer to its cluster than some pair of strangers would be by chance: in
    noise, too, some points lie denser than others."""
    n = len(vectors)
    mean = vectors.mean(axis=0)
    close_labels = np.full(n, -1)
    for label in sorted(set(labels.tolist()) - {-1}):
        rows = np.flatnonzero(labels == label)
        near = rows[:SAMPLE]
        close = []
        for row in rows:
            scores = vectors[near] @ vectors[row]
            scores[near == row] = -1
            best = int(scores.argmax())
            floor = chance(vectors[row], vectors[near[best]], mean, n * n)
            close.append(floor is None or scores[best] >= floor)
        if sum(close) >= min_size:
            close_labels[rows[close]] = label
    return close_labels


def _of_family(
    snapshot: Snapshot, family: str, ids: Sequence[str], vectors: Array, labels: Array
) -> list[Cluster]:
    files = snapshot.rows(ids)
    members = {k: np.flatnonzero(labels == k) for k in sorted(set(labels.tolist()) - {-1})}
    bags = {k: Counter(w for i in rows for w in bag(files[i])) for k, rows in members.items()}
    spread = Counter(word for counts in bags.values() for word in counts)
    family_clusters = []
    for k, rows in members.items():
        middle = vectors[rows].mean(axis=0)
        typical = files[rows[int(np.argmax(vectors[rows] @ middle))]]
        paths = sorted(str(file["path"]) for i in rows for file in files[i])
        name = named(bags[k], len(rows), spread, len(bags)) or _title(typical)
        family_clusters.append(Cluster(name, family, str(typical[0]["path"]), tuple(paths)))
    return family_clusters


def bag(files: Sequence[Mapping[str, Any]]) -> set[str]:
    """The words of one content: tags and trigger words whole, titles and names in pieces."""
    words: set[str] = set()
    for file in files:
        words.update(one_line(word, 40).lower() for word in (*file["tags"], *file["words"]))
        text = f"{file['title']} {PurePath(file['path']).stem}"
        words.update(word.lower() for word in WORD.findall(text))
    return {word for word in words if word and word not in DULL}


def named(words: Counter[str], size: int, spread: Counter[str], clusters: int) -> str:
    """The words that most of a cluster and few others have; empty when there are none."""
    scores = {
        word: count / size * math.log(1 + clusters / spread[word])
        for word, count in words.items()
        if count >= max(2, SHARE * size) and (clusters < 3 or spread[word] <= clusters / 2)
    }
    best: list[str] = []
    for word in sorted(scores, key=lambda word: (-scores[word], -len(word), word)):
        if len(best) < NAMED and not any(word in other for other in best):
            best.append(word)
    return ", ".join(best)


def _title(files: Sequence[Mapping[str, Any]]) -> str:
    first = files[0]
    return "like " + one_line(str(first["title"] or PurePath(first["path"]).stem), 40)
