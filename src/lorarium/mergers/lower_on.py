"""What is no LoRA without its base (DoRA, OFT, BOFT) as LoRA of a rank, on that base's weights."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

from lorarium.adapter import Adapter, Delta, Dense, Dora, Module
from lorarium.algebra import Layer, Report, recompress
from lorarium.algebra.dtypes import DTypeLike
from lorarium.algebra.on_base import change_on
from lorarium.algebra.rotations import Rotation
from lorarium.errors import LorariumError, quoted
from lorarium.formats import carried
from lorarium.formats.checkpoint import Checkpoint, open_checkpoint
from lorarium.formats.families import FAMILIES
from lorarium.formats.rotations import HEADER, rotations
from lorarium.formats.settling import divide
from lorarium.mergers.bake import seen_for
from lorarium.mergers.extract import truncated_layer

Progress = Callable[[int, int, str], None]


def lower_on(
    base: str | os.PathLike[str],
    adapter: Adapter,
    *,
    rank: int,
    dtype: DTypeLike = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Adapter, Report]:
    """The nearest plain adapter of a rank: DoRA, OFT and BOFT at the base's weights, the rest as
    `recompress` has it.

    Factors are float16 unless `dtype` says otherwise.
    Example: `lower_on("sd.safetensors", read("oft.safetensors"), rank=32)`.
    """
    if rank < 1:
        raise LorariumError(f"rank {rank} is below 1")
    checkpoint = seen_for(open_checkpoint(base), [adapter])
    jobs, used = _jobs(adapter, checkpoint)
    deltas: dict[Module, Delta] = {}
    layers: list[Layer] = []
    stored = np.dtype(np.float16 if dtype is None else dtype)
    for done, (module, change) in enumerate(jobs, 1):
        for name, D in _parts(module, change, checkpoint):
            if D.weight.any():
                deltas[name], layer, _ = truncated_layer(name, D.weight, rank, None, stored, seed)
                layers.append(layer)
        if progress is not None:
            progress(done, len(jobs), "")
    rest = adapter.with_(
        deltas={m: d for m, d in adapter.items() if not isinstance(d, Dora)},
        opaque={key: array for key, array in adapter.opaque.items() if key not in used},
        metadata={name: text for name, text in adapter.metadata.items() if name != HEADER},
        family=checkpoint.family,
    )
    small, report = recompress(rest, rank=rank, dtype=dtype)
    if twice := sorted(deltas.keys() & small.deltas.keys()):
        raise LorariumError("is there turned and changed", where=str(twice[0]))
    complete = small.with_(deltas={**small.deltas, **deltas})
    return complete, Report((*report.layers, *layers), report.untouched)


def require_no_rotations(adapter: Adapter) -> None:
    """Refuse what has no rank as it stands, with the way to give it one."""
    kinds = carried.counts(adapter.opaque)
    count = kinds.get("oft", 0) + kinds.get("boft", 0)
    if count:
        names = " and ".join(name.upper() for name in ("oft", "boft") if name in kinds)
        raise LorariumError(
            f"{count} modules are {names}: rotations of the base's weights, which have no rank",
            hint="name the checkpoint that they turn with --base",
        )


def _jobs(
    adapter: Adapter, checkpoint: Checkpoint
) -> tuple[list[tuple[Module, Delta | Rotation]], set[str]]:
    """All that stands on the base's weights, and the keys it is made of."""
    turned, refused = rotations(adapter, FAMILIES[checkpoint.family])
    if refused:
        name, reason = next(iter(refused.items()))
        more = f" and {len(refused) - 1} more keys" if len(refused) > 1 else ""
        raise LorariumError(f"{quoted(name)}{more} cannot be lowered: {reason}")
    jobs: list[tuple[Module, Delta | Rotation]] = [
        (module, delta) for module, delta in adapter.items() if isinstance(delta, Dora)
    ]
    jobs += [(Module(one.place.part, one.place.native.name), one.rotation) for one in turned]
    for module, _ in jobs:
        if not checkpoint.find(module):
            raise LorariumError(f"{quoted(str(module))} is not in it", where=str(checkpoint.path))
    return jobs, {key for one in turned for key in one.keys}


def _parts(
    module: Module, change: Delta | Rotation, checkpoint: Checkpoint
) -> list[tuple[Module, Dense]]:
    """The change at the base's weight, of a fused matrix by its parts."""
    try:
        D = Dense(change_on(change, checkpoint.weight(module)))
    except LorariumError as error:
        raise LorariumError(error.what, where=str(module), hint=error.hint) from None
    native = FAMILIES[checkpoint.family].parts[module.part].natives.get(module.path)
    if native is None:
        return [(module, D)]
    pieces = divide(D, native, str(module)) or []
    return [(Module(module.part, path), part) for path, part in pieces if isinstance(part, Dense)]
