"""A LoRA from the difference of two checkpoints: the truncated SVD of each weight, one by one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lorarium import __version__
from lorarium.adapter import Adapter, Array, Bias, Delta, Dense, LowRank, Module
from lorarium.algebra import Layer, Report, balanced, dense_error, dense_truncated
from lorarium.algebra.dtypes import DTypeLike
from lorarium.errors import LorariumError
from lorarium.formats.checkpoint import Checkpoint, open_checkpoint
from lorarium.mergers.inputs import compiled

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Extraction:
    """What extraction lost, layer by layer, and what it could not or need not look at.

    `exact` layers had a full SVD, the others subspace iteration. `beyond` are keys of tensors that
    belong to no module (norms, embeddings) and differ: no LoRA holds them.
    """

    report: Report
    exact: int
    biases: int
    unchanged: int
    only_base: tuple[str, ...]
    only_tuned: tuple[str, ...]
    other_shape: tuple[str, ...]
    beyond: tuple[str, ...]


def extract(
    base: str | os.PathLike[str],
    tuned: str | os.PathLike[str],
    *,
    rank: int,
    energy: float | None = None,
    only: str | None = None,
    dtype: DTypeLike = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Adapter, Extraction]:
    """The best adapter of that rank that leads from `base` to `tuned`, and what it lost.

    With `energy` a layer takes as few ranks as hold that share of its energy, `rank` at most.
    Factors are float16 unless a checkpoint is float32 or `dtype` says otherwise.
    Example: `adapter, report = extract("sd.safetensors", "tuned.safetensors", rank=32)`.
    """
    if rank < 1:
        raise LorariumError(f"rank {rank} is below 1")
    if energy is not None and not 0 < energy <= 1:
        raise LorariumError(f"energy {energy} is not in (0, 1]")
    first, second = _pair(open_checkpoint(base), open_checkpoint(tuned))
    wanted = None if only is None else compiled(only)
    modules = [m for m in first.spots if wanted is None or wanted.search(str(m))]
    common = sorted(m for m in modules if m in second.spots)
    alike = [m for m in common if first.shape(m) == second.shape(m)]
    deltas: dict[Module, Delta] = {}
    layers: list[Layer] = []
    exact = biases = 0
    for done, module in enumerate(alike, 1):
        stored = np.dtype(dtype) if dtype is not None else _stored(module, first, second)
        D = _difference(module, first, second)
        if D.ndim == 1 and D.any():
            deltas[module] = Bias(D.astype(stored))
            biases += 1
        elif D.any():
            deltas[module], layer, is_exact = truncated_layer(module, D, rank, energy, stored, seed)
            layers.append(layer)
            exact += is_exact
        if progress is not None:
            progress(done, len(alike), "")
    if not deltas:
        raise LorariumError("no weight differs", where=str(second.path), hint=_why(only, alike))
    options = {"rank": rank, "energy": energy, "only": only, "seed": seed}
    extraction = Extraction(
        Report(tuple(layers), ()),
        exact,
        biases,
        len(alike) - len(deltas),
        _missing(first, second, wanted),
        _missing(second, first, wanted),
        tuple(str(m) for m in common if m not in set(alike)),
        tuple(_beyond(first, second)) if wanted is None else (),
    )
    metadata = {
        "lorarium.version": __version__,
        "lorarium.method": "extract",
        "lorarium.options": json.dumps({k: v for k, v in options.items() if v is not None}),
        "lorarium.inputs": json.dumps([first.path.name, second.path.name]),
    }
    return Adapter(deltas, first.family, metadata, {}, first.dialect), extraction


def _pair(first: Checkpoint, second: Checkpoint) -> tuple[Checkpoint, Checkpoint]:
    """Both as of one family that fits both."""
    shared = [family for family in first.families if family in second.families]
    if not shared:
        raise LorariumError(
            f"is {second.family}, the base is {first.family}",
            where=str(second.path),
            hint="give two checkpoints of one family",
        )
    return first.seen_as(shared[0]), second.seen_as(shared[0])


def truncated_layer(
    module: Module, D: Array, rank: int, energy: float | None, stored: np.dtype, seed: int
) -> tuple[LowRank, Layer, bool]:
    matrix = D.reshape(len(D), -1)
    try:
        svd, norm, exact = dense_truncated(matrix, rank, energy=energy, seed=seed)
    except LorariumError as error:
        raise LorariumError(error.what, where=str(module), hint=error.hint) from None
    delta = balanced(svd, Dense(D), stored)
    layer = Layer((module,), None, delta.rank, norm, dense_error(matrix, delta))
    return delta, layer, exact


def _difference(module: Module, first: Checkpoint, second: Checkpoint) -> Array:
    before, after = first.weight(module), second.weight(module)
    if before.dtype != after.dtype:
        return after - before
    after -= before
    return after


def _stored(module: Module, first: Checkpoint, second: Checkpoint) -> np.dtype:
    wide = any(
        checkpoint.tensors[spot.key].dtype in ("F32", "F64")
        for checkpoint in (first, second)
        for spot in checkpoint.spots[module]
    )
    return np.dtype(np.float32 if wide else np.float16)


def _missing(there: Checkpoint, here: Checkpoint, wanted: object) -> tuple[str, ...]:
    search = getattr(wanted, "search", lambda name: True)
    return tuple(sorted(str(m) for m in there.spots if m not in here.spots and search(str(m))))


def _beyond(first: Checkpoint, second: Checkpoint) -> list[str]:
    """Keys outside the modules that both have and that differ."""
    keys = []
    for key in first.beyond():
        if key in second.tensors:
            a, b = first.tensor(key), second.tensor(key)
            if a.shape != b.shape or not _equal(a, b):
                keys.append(key)
    return keys


def _equal(a: Array, b: Array) -> bool:
    """Bit for bit in one number type, by value between two."""
    as_type = np.uint8 if a.dtype == b.dtype else np.float32
    return all(
        bool(np.array_equal(_as(x, as_type), _as(y, as_type)))
        for x, y in zip(_flat_blocks(a), _flat_blocks(b), strict=True)
    )


def _as(array: Array, dtype: type) -> Array:
    return array.view(dtype) if dtype is np.uint8 else array.astype(dtype)


def _flat_blocks(array: Array) -> list[Array]:
    return np.array_split(array.reshape(-1), max(1, array.size // 2**22))


def _why(only: str | None, alike: list[Module]) -> str:
    if only is not None:
        return "does --only match anything that was trained?"
    return "the two files hold the same weights" if alike else "no weight has the same shape"
