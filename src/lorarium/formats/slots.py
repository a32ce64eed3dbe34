"""One module's tensors as they stand in a file -> a weight change, and back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from lorarium.adapter import (
    Array,
    Bias,
    Delta,
    Dense,
    Dora,
    Hadamard,
    Kronecker,
    Linear,
    LowRank,
)
from lorarium.errors import LorariumError
from lorarium.soundness import REAL, dims

Slots = Mapping[str, Array]
# rank -> scale, as a config states it; rank 0 stands for factors that carry none
ScaleOf = Callable[[int], float]
Kind = TypeVar("Kind", LowRank, Hadamard, Kronecker)


@dataclass(frozen=True)
class Built:
    """What a module's tensors are: a delta, a bias, or the reason why some were refused."""

    delta: Delta | None = None
    bias: Bias | None = None
    refused: Mapping[str, str] | None = None


def build(slots: Slots, scale: ScaleOf | None) -> Built:
    """`scale` is what a config says; an `alpha` beside the factors goes before it."""
    refused: dict[str, str] = {}
    try:
        delta, used = _delta(slots, scale)
    except LorariumError as error:  # what does not fit together is refused by name
        bias_only = {slot for slot in slots if slot == "diff_b"}
        refused = {slot: error.what for slot in slots if slot not in bias_only}
        delta, used = None, set()
    bias = None
    for slot in ("diff_b", "up_bias"):
        if slot not in slots or bias is not None or (slot == "up_bias" and delta is None):
            continue
        try:
            bias = _bias(slots[slot], slot, delta)
            used.add(slot)
        except LorariumError as error:
            refused[slot] = error.what
    for slot in slots:
        if slot not in used:
            refused.setdefault(slot, "does not belong to the module's other tensors")
    return Built(delta, bias, refused)


def _bias(array: Array, slot: str, delta: Delta | None) -> Bias:
    bias = Bias(array, scale=delta.scale if delta and slot == "up_bias" else 1.0)
    if delta is not None and bias.shape != delta.shape[:1]:
        raise LorariumError(f"a bias of {array.size} does not fit a weight {dims(delta.shape)}")
    return bias


def _delta(slots: Slots, scale: ScaleOf | None) -> tuple[Delta | None, set[str]]:
    inner: Linear
    if "up" in slots or "down" in slots:
        inner, used = _low_rank(slots, scale)
    elif any(slot.startswith("hada_") for slot in slots):
        inner, used = _hadamard(slots, scale)
    elif any(slot.startswith("lokr_") for slot in slots):
        inner, used = _kronecker(slots, scale)
    elif "diff" in slots:
        if slots["diff"].ndim < 2:
            raise LorariumError(f"a weight difference {dims(slots['diff'])} has no matrix")
        inner, used = Dense(slots["diff"]), {"diff"}
    elif set(slots) & {"mid", "dora_scale", "magnitude", "up_bias"}:
        raise LorariumError("the factors it belongs to are missing")
    else:
        return None, set()
    for slot in ("dora_scale", "magnitude"):
        if slot in slots:
            return Dora(inner, _magnitude(slots[slot], slot, inner.shape)), used | {slot}
    return inner, used


def _low_rank(slots: Slots, scale: ScaleOf | None) -> tuple[LowRank, set[str]]:
    for half, other in (("up", "down"), ("down", "up")):
        if half not in slots:
            raise LorariumError(f"its {half} half is missing beside {other}")
    up, down, mid = slots["up"], slots["down"], slots.get("mid")
    used = {"up", "down"} | ({"mid"} if mid is not None else set())
    delta = LowRank(up, down, mid)
    return _scaled(delta, slots, down.shape[0], scale, used), used


def _hadamard(slots: Slots, scale: ScaleOf | None) -> tuple[Hadamard, set[str]]:
    names = ["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"]
    tucker = "hada_t1" in slots or "hada_t2" in slots
    if tucker:
        names += ["hada_t1", "hada_t2"]
    fields: dict[str, Any] = {name.removeprefix("hada_"): _need(slots, name) for name in names}
    delta, used = Hadamard(**fields), set(names)
    return _scaled(delta, slots, delta.rank, scale, used), used


def _kronecker(slots: Slots, scale: ScaleOf | None) -> tuple[Kronecker, set[str]]:
    names: list[str] = []
    for side in ("w1", "w2"):
        slot = f"lokr_{side}"
        names += [slot] if slot in slots else [f"{slot}_a", f"{slot}_b"]
    if "lokr_t2" in slots and "lokr_w2" not in slots:
        names.append("lokr_t2")
    fields: dict[str, Any] = {name.removeprefix("lokr_"): _need(slots, name) for name in names}
    delta, used = Kronecker(**fields), set(names)
    rank = delta.w2_b if delta.w2_b is not None else delta.w1_b
    if rank is not None:
        return _scaled(delta, slots, rank.shape[0], scale, used), used
    # Two whole factors carry no rank: by convention their alpha means nothing.
    if "alpha" in slots:
        return delta, used | {"alpha"}
    return (delta if scale is None else replace(delta, scale=scale(0))), used


def _need(slots: Slots, name: str) -> Array:
    if name not in slots:
        raise LorariumError(f"{name} is missing beside the other factors")
    return slots[name]


def _scaled(delta: Kind, slots: Slots, rank: int, scale: ScaleOf | None, used: set[str]) -> Kind:
    """The change with the scale that its alpha or its config states."""
    if "alpha" in slots:
        used.add("alpha")
        return replace(delta, scale=_alpha(slots["alpha"]) / rank)
    return delta if scale is None else replace(delta, scale=scale(rank))


def _alpha(array: Array) -> float:
    if array.size != 1:
        raise LorariumError(f"alpha has shape {dims(array)}, not one number")
    if array.dtype not in REAL and array.dtype.kind not in "iu":
        raise LorariumError(f"alpha is a {array.dtype.name}, not a number")
    value = float(array.reshape(-1)[0])
    if not math.isfinite(value):
        raise LorariumError(f"alpha is {value}")
    return value


def _magnitude(array: Array, slot: str, shape: tuple[int, ...]) -> Array:
    """One number per output as (out, 1, ...), per input as (1, in, ...), whoever wrote it."""
    if array.size == shape[0] and (slot == "magnitude" or array.shape[:1] == shape[:1]):
        return array.reshape(shape[0], 1, *(1,) * (len(shape) - 2))
    if slot == "magnitude":
        raise LorariumError(f"a magnitude {dims(array)} does not fit a weight {dims(shape)}")
    return array


def take(delta: Linear) -> dict[str, Array]:
    """The tensors of a delta by slot, without its scale."""
    if isinstance(delta, LowRank):
        slots = {"up": delta.up, "down": delta.down}
        return slots if delta.mid is None else slots | {"mid": delta.mid}
    if isinstance(delta, Dense):
        return {"diff": delta.weight}
    if isinstance(delta, Bias):
        return {"diff_b": delta.bias}
    prefix = "hada_" if isinstance(delta, Hadamard) else "lokr_"
    return {
        prefix + name: value for name, value in vars(delta).items() if isinstance(value, np.ndarray)
    }


def put(delta: Linear, slots: Mapping[str, Array], scale: float) -> Linear:
    """A delta of the same kind with other tensors and scale."""
    if isinstance(delta, LowRank):
        return LowRank(slots["up"], slots["down"], slots.get("mid"), scale)
    if isinstance(delta, Dense):
        return Dense(slots["diff"], scale)
    if isinstance(delta, Bias):
        return Bias(slots["diff_b"], scale)
    fields = {name.partition("_")[2]: value for name, value in slots.items()}
    if isinstance(delta, Hadamard):
        return Hadamard(**fields, scale=scale)
    return Kronecker(**fields, scale=scale)
