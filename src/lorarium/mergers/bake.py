"""Adapters into a checkpoint: W + Σ weight * ΔW, streamed from file to file, tensor by tensor."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lorarium import __version__
from lorarium.adapter import Adapter, Array, Delta, Dora, Module
from lorarium.algebra import dense_delta, fingerprint
from lorarium.algebra.on_base import change_on
from lorarium.algebra.rotations import Rotation
from lorarium.errors import LorariumError, quoted, unverified
from lorarium.formats.checkpoint import Checkpoint, Spot, open_checkpoint
from lorarium.formats.families import FAMILIES
from lorarium.formats.rewriting import rewrite
from lorarium.formats.rotations import rotations
from lorarium.formats.target import ADAPTER_SUFFIXES, AnyPath, check_target
from lorarium.mergers.provenance import OF_THE_BYTES
from lorarium.soundness import dims

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Baked:
    """What was written: modules that changed, tensors, and what was left out with the reason."""

    family: str
    modules: int
    changed: int
    tensors: int
    left_out: tuple[tuple[str, str], ...]


class _Job(NamedTuple):
    module: Module
    delta: Delta | Rotation
    weight: float
    spot: Spot


def bake(
    base: str | os.PathLike[str],
    adapters: Sequence[Adapter],
    weights: Sequence[float] | None = None,
    *,
    out: str | os.PathLike[str],
    partial: bool = False,
    progress: Progress | None = None,
    force: bool = False,
    inputs: Iterable[AnyPath] = (),
) -> Baked:
    """Write `base` with the adapters added; its number types are kept, other tensors are copied.

    DoRA, OFT and BOFT are taken at the base's own weight, then weighted like the others. What the
    checkpoint has no place for is refused by name, or with `partial` left out and reported.
    Tensors that would hold NaN or infinite values are refused by name too, unless `force`, which
    also writes over what is there: what is of the base, or of the `inputs`, is kept as NAME.bak.
    Example: `bake("base.safetensors", [style], [0.8], out="styled.safetensors")`.
    """
    numbers = [1.0] * len(adapters) if weights is None else [float(w) for w in weights]
    if not adapters or len(numbers) != len(adapters):
        what = f"{len(numbers)} weights for {len(adapters)} adapters"
        raise LorariumError(what if adapters else "nothing to bake", hint="give one each")
    if not all(map(math.isfinite, numbers)):
        raise LorariumError("a weight is not a finite number")
    inputs = (base, *inputs)
    check_target(out, inputs=inputs, force=force, suffixes=ADAPTER_SUFFIXES)
    checkpoint = seen_for(open_checkpoint(base), adapters)
    jobs, left_out = _plan(checkpoint, adapters, numbers)
    _check(checkpoint, jobs, left_out, partial)
    metadata = _metadata(checkpoint, adapters, {"weights": numbers, "partial": partial})

    faults: dict[str, str] = {}

    def changed(key: str) -> Array | None:
        if key not in jobs:
            return None
        result = _sum(checkpoint, key, jobs[key])
        if not np.isfinite(result).all():
            faults[key] = f"NaN or infinite values as {checkpoint.tensors[key].dtype}"
        return result

    def check() -> None:
        if faults and not force:
            hint = "lower the weights; --force writes it all the same"
            raise unverified(faults, where=str(out), hint=hint)

    rewrite(checkpoint, out, changed, metadata, progress, check=check, force=force, inputs=inputs)
    done = {(job.module, id(job.delta)) for todo in jobs.values() for job in todo}
    return Baked(
        checkpoint.family, len(done), len(jobs), len(checkpoint.tensors), tuple(left_out.items())
    )


def seen_for(checkpoint: Checkpoint, adapters: Sequence[Adapter]) -> Checkpoint:
    """The checkpoint as of the adapters' family, or a sentence when it cannot be of it."""
    for family in dict.fromkeys(a.family for a in adapters if a.family != "unknown"):
        if family not in checkpoint.families:
            raise LorariumError(
                f"the adapter is for {family}, the checkpoint is {checkpoint.family}",
                where=str(checkpoint.path),
                hint="give a base of the adapter's family",
            )
        if family != checkpoint.family:
            checkpoint = checkpoint.seen_as(family)
    return checkpoint


def _plan(
    checkpoint: Checkpoint, adapters: Sequence[Adapter], weights: Sequence[float]
) -> tuple[dict[str, list[_Job]], dict[str, str]]:
    """What to add to each tensor, and what has no place with the reason."""
    jobs: dict[str, list[_Job]] = {}
    left_out: dict[str, str] = {}
    for adapter, weight in zip(adapters, weights, strict=True):
        if not weight:
            continue
        changes, unknown = changes_on(adapter, checkpoint)
        left_out |= unknown
        for module, delta in changes:
            spots = checkpoint.find(module)
            if not spots:
                left_out[str(module)] = "not in the checkpoint"
            elif reason := _misfit(delta, checkpoint.shape(module)):
                left_out[str(module)] = reason
            else:
                for spot in spots:
                    jobs.setdefault(spot.key, []).append(_Job(module, delta, weight, spot))
    return jobs, left_out


def changes_on(
    adapter: Adapter, checkpoint: Checkpoint
) -> tuple[list[tuple[Module, Delta | Rotation]], dict[str, str]]:
    """All that an adapter does to a weight, rotations included, and its keys that do nothing."""
    turned, refused = rotations(adapter, FAMILIES[checkpoint.family])
    known = {key for one in turned for key in one.keys}
    rest = {key: "of a kind that cannot be added" for key in adapter.opaque if key not in known}
    changes: list[tuple[Module, Delta | Rotation]] = [*adapter.items()]
    changes += [(Module(one.place.part, one.place.native.name), one.rotation) for one in turned]
    return changes, rest | refused


def _misfit(delta: Delta | Rotation, shape: tuple[int, ...]) -> str:
    """Why a change does not belong to a weight of this shape, "" where it does."""
    if isinstance(delta, Rotation):
        if delta.fits(shape):
            return ""
        side = "columns" if delta.columns else "rows"
        return f"turns {delta.turned()} {side}, the checkpoint has {dims(shape)}"
    if _fits(delta.shape, shape):
        return ""
    return f"changes a weight of {dims(delta.shape)}, the checkpoint has {dims(shape)}"


def _fits(have: tuple[int, ...], want: tuple[int, ...]) -> bool:
    """1x1 kernels may be left out on either side."""
    return have[:1] == want[:1] and math.prod(have[1:]) == math.prod(want[1:])


def _check(
    checkpoint: Checkpoint,
    jobs: Mapping[str, Sequence[_Job]],
    left_out: Mapping[str, str],
    partial: bool,
) -> None:
    if left_out and not (partial and jobs):
        names = [f"{quoted(name)} ({reason})" for name, reason in left_out.items()]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise LorariumError(
            f"no place for {len(names)} of the adapters' modules: {', '.join(names[:3])}{more}",
            where=str(checkpoint.path),
            hint="bake the rest with --partial" if jobs else "is this the right base?",
        )
    if not jobs:
        raise LorariumError("nothing to bake", hint="all weights are 0, or the adapters are empty")


def _sum(checkpoint: Checkpoint, key: str, jobs: Sequence[_Job]) -> Array:
    """The tensor `key` with its changes added, in its own number type."""
    total = checkpoint.wide(key)
    for module, delta, weight, spot in jobs:
        if isinstance(delta, Dora | Rotation):
            try:
                change = change_on(delta, checkpoint.weight(module))
            except LorariumError as error:
                raise LorariumError(error.what, where=str(module), hint=error.hint) from None
        else:
            change = dense_delta(delta)
        target = spot.rows(total)
        piece = change[spot.at : spot.at + len(target)].reshape(target.shape)
        target += spot.ordered(piece) * total.dtype.type(weight)
    with np.errstate(over="ignore", invalid="ignore"):
        return total.astype(checkpoint.tensor(key).dtype)


def _metadata(
    checkpoint: Checkpoint, adapters: Sequence[Adapter], options: Mapping[str, object]
) -> dict[str, str]:
    metadata = {k: v for k, v in checkpoint.metadata.items() if k not in OF_THE_BYTES}
    return metadata | {
        "lorarium.version": __version__,
        "lorarium.method": "bake",
        "lorarium.base": checkpoint.path.name,
        "lorarium.options": json.dumps(options, sort_keys=True),
        "lorarium.inputs": json.dumps([fingerprint(adapter) for adapter in adapters]),
    }
