"""Vector tables from the sketches that are there: filled, kept in step, and calibrated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from lorarium.adapter import Array
from lorarium.library import lance_memory
from lorarium.library.calibrate import ROW, TABLE, Calibration, calibrate, to_row
from lorarium.library.family_space import FamilySpace
from lorarium.library.snapshot import Snapshot
from lorarium.library.spaces import (
    APPROXIMATE,
    BATCH,
    FILES,
    TOGETHER,
    VectorSpace,
    batches,
    read_sketches,
)
from lorarium.library.store import VECTOR, Store

DRIFT = 0.1  # of the adapters may come or go before a calibration is made again


def fill(store: Store, encoders: Mapping[str, VectorSpace], done: Callable[[int], None]) -> None:
    """Make every space hold exactly the adapters of the library."""
    names = store.names()
    if FILES not in names:
        return
    places_of_family = read_places(store)
    current = {e.table(family) for e in encoders.values() for family in places_of_family}
    for name in names - {FILES}:
        if name.partition(".")[0] in encoders and name not in current:
            store.drop(name)
    changed: set[str] = set()
    for family, places in places_of_family.items():
        changed |= _fill_family(store, encoders, family, places, done)
    calibrate_spaces(store, encoders, places_of_family, changed)


def read_places(store: Store) -> dict[str, dict[str, int]]:
    """By family and content, where its sketch lies."""
    places_of_family: dict[str, dict[str, int]] = {}
    for batch in store.each(FILES, ["id", "family", "described"], places=True):
        for id, family, described, place in zip(*batch.to_pydict().values(), strict=True):
            if described:
                places_of_family.setdefault(family, {}).setdefault(id, place)
    return places_of_family


def _fill_family(
    store: Store,
    encoders: Mapping[str, VectorSpace],
    family: str,
    places: Mapping[str, int],
    done: Callable[[int], None],
) -> set[str]:
    """Each sketch that is missing anywhere is read once; returns the tables that changed."""
    names = store.names()
    spaces = {e.table(family): e for e in encoders.values() if e.knows(family)}
    lacking: dict[str, frozenset[str]] = {}  # by content, the spaces that it is not in
    changed = set()
    for name in spaces:
        have = set(store.read(name, ["id"])["id"].to_pylist()) if name in names else set()
        if stale := sorted(have - places.keys()):
            store.remove(name, "id", stale)
            changed.add(name)
        together: dict[frozenset[str], frozenset[str]] = {}  # one for all that lack the same
        for id in places.keys() - have:
            before = lacking.get(id, frozenset())
            lacking[id] = together.setdefault(before, before | {name})
    missing = sorted(lacking)
    for some in batches(missing, BATCH):
        vectors_by_space: dict[str, dict[str, Array]] = {name: {} for name in spaces}
        sketches = read_sketches(store, {id: places[id] for id in some})
        for group in batches(sketches, TOGETHER):
            for name, encoder in spaces.items():
                chosen = [(id, sketch) for id, sketch in group if name in lacking[id]]
                shorts = encoder.shorts([sketch for _, sketch in chosen]) if chosen else []
                for (id, _), short in zip(chosen, shorts, strict=True):
                    if short is not None:
                        vectors_by_space[name][id] = short.astype(np.float16)
        for name, vectors in vectors_by_space.items():
            if vectors:
                store.put(name, "id", vector_table(list(vectors), np.stack([*vectors.values()])))
                changed.add(name)
        lance_memory.give_back()  # or each batch leaves what the next cannot use
        done(len(missing))
    for name in changed:
        if store.count(name) >= APPROXIMATE:
            store.make_index(name)
        store.tidy(name)
    return changed


def calibrate_spaces(
    store: Store,
    encoders: Mapping[str, VectorSpace],
    places_of_family: Mapping[str, Mapping[str, int]],
    changed: set[str],
) -> None:
    """What is near in each space, where it may have changed."""
    snapshot = Snapshot(store, encoders)
    rows = []
    for family, places in places_of_family.items():
        snapshot.sketch_places = places
        for encoder in encoders.values():
            name = encoder.table(family)
            if name not in changed and name in snapshot.calibrations:
                continue
            if name in snapshot.tables:
                # not kept by the snapshot: what it holds goes when the next space is looked at
                space = FamilySpace(snapshot, encoder, family)
                old = snapshot.calibrations.get(name)
                if old is None or abs(space.count - old.count) > DRIFT * old.count:
                    known = _calibrate(space)
                    rows.append(to_row(name, known))
    if rows:
        store.put(TABLE, "name", pa.Table.from_pylist(rows, ROW))
        store.tidy(TABLE)


def _calibrate(space: FamilySpace) -> Calibration:
    nearest, glance = space.nearest_of_each, space.glance_of_each
    return calibrate(space.sample(), space.count, nearest, glance)


def vector_table(ids: Sequence[str], vectors: Array) -> pa.Table:
    """Vectors (n, d) by id; half precision is far finer than the sketches behind them."""
    flat = pa.array(np.ascontiguousarray(vectors, np.float16).reshape(-1))
    lists = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    return pa.table({"id": pa.array(ids, pa.string()), VECTOR: lists})
