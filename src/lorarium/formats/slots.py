"""One module's tensors as they stand in a file -> a weight change, and back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

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

Slots = Mapping[str, Array]
# rank -> scale, as a config states it; rank 0 stands for factors that carry none
ScaleOf = Callable[[int], float]


@dataclass(frozen=True)
class Built:
    """What a module's tensors are: a delta, a bias, or the reason why some were refused."""

    delta: Delta | None = None
    bias: Bias | None = None
    refused: Mapping[str, str] | None = None


class Unreadable(ValueError):
    """The tensors of one module do not fit together."""


def build(slots: Slots, scale: ScaleOf | None) -> Built:
    """`scale` is what a config says; an `alpha` beside the factors goes before it."""
    refused: dict[str, str] = {}
    try:
        delta, used = _delta(slots, scale)
    except Unreadable as error:
        bias_only = {slot for slot in slots if slot == "diff_b"}
        refused = {slot: str(error) for slot in slots if slot not in bias_only}
        delta, used = None, set()
    bias = None
    if "diff_b" in slots:
        bias = Bias(slots["diff_b"])
        used.add("diff_b")
    if "up_bias" in slots and delta is not None:
        if bias is None:
            bias = Bias(slots["up_bias"], scale=delta.scale)
            used.add("up_bias")
    for slot in slots:
        if slot not in used:
            refused.setdefault(slot, "does not belong to the module's other tensors")
    return Built(delta, bias, refused)


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
            raise Unreadable(f"a weight difference of shape {_dims(slots['diff'])} has no matrix")
        inner, used = Dense(slots["diff"]), {"diff"}
    elif set(slots) & {"mid", "dora_scale", "magnitude", "up_bias"}:
        raise Unreadable("the factors it belongs to are missing")
    else:
        return None, set()
    for slot in ("dora_scale", "magnitude"):
        if slot in slots:
            return Dora(inner, _magnitude(slots[slot], slot, inner.shape)), used | {slot}
    return inner, used


def _low_rank(slots: Slots, scale: ScaleOf | None) -> tuple[LowRank, set[str]]:
    for half, other in (("up", "down"), ("down", "up")):
        if half not in slots:
            raise Unreadable(f"its {half} half is missing beside {other}")
    up, down, mid = slots["up"], slots["down"], slots.get("mid")
    used = {"up", "down"} | ({"mid"} if mid is not None else set())
    if up.ndim < 2 or down.ndim < 2 or up.ndim not in (2, down.ndim) or 0 in up.shape + down.shape:
        raise Unreadable(f"up {_dims(up)} and down {_dims(down)} are not a pair of matrices")
    if any(k != 1 for k in up.shape[2:]):
        raise Unreadable(f"up {_dims(up)} has a kernel larger than one")
    if mid is None:
        fits = up.shape[1] == down.shape[0]
    else:
        fits = mid.ndim >= 3 and mid.shape[:2] == (up.shape[1], down.shape[0])
        fits = fits and all(k == 1 for k in down.shape[2:])
    if not fits:
        middle = f", mid {_dims(mid)}" if mid is not None else ""
        raise Unreadable(f"up {_dims(up)}, down {_dims(down)}{middle} do not multiply")
    return LowRank(up, down, mid, _scale(slots, down.shape[0], scale, used)), used


def _hadamard(slots: Slots, scale: ScaleOf | None) -> tuple[Hadamard, set[str]]:
    names = ["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"]
    tucker = "hada_t1" in slots or "hada_t2" in slots
    if tucker:
        names += ["hada_t1", "hada_t2"]
    factors = [_need(slots, name) for name in names]
    a1, b1, a2, b2 = factors[:4]
    if any(x.ndim != 2 for x in factors[:4]) or any(0 in x.shape for x in factors):
        raise Unreadable("its factors are not matrices")
    if tucker:
        core1, core2 = factors[4:]
        fits = core1.ndim >= 3 and core1.shape[2:] == core2.shape[2:]
        fits = fits and core1.shape[:2] == (a1.shape[0], b1.shape[0])
        fits = fits and core2.shape[:2] == (a2.shape[0], b2.shape[0])
        fits = fits and a1.shape[1] == a2.shape[1] and b1.shape[1] == b2.shape[1]
    else:
        fits = a1.shape[1] == b1.shape[0] and a2.shape[1] == b2.shape[0]
        fits = fits and a1.shape[0] == a2.shape[0] and b1.shape[1] == b2.shape[1]
    if not fits:
        raise Unreadable(f"its factors {', '.join(map(_dims, factors))} do not multiply")
    used = set(names)
    value = _scale(slots, b1.shape[0], scale, used)
    t1, t2 = (factors[4], factors[5]) if tucker else (None, None)
    return Hadamard(a1, b1, a2, b2, t1, t2, value), used


def _kronecker(slots: Slots, scale: ScaleOf | None) -> tuple[Kronecker, set[str]]:
    used: set[str] = set()
    found: dict[str, Array] = {}
    rank = None
    for side in ("w1", "w2"):
        if f"lokr_{side}" in slots:
            found[side] = slots[f"lokr_{side}"]
            used.add(f"lokr_{side}")
            if found[side].ndim < 2:
                raise Unreadable(f"lokr_{side} {_dims(found[side])} is not a matrix")
            continue
        a, b = _need(slots, f"lokr_{side}_a"), _need(slots, f"lokr_{side}_b")
        found |= {f"{side}_a": a, f"{side}_b": b}
        used |= {f"lokr_{side}_a", f"lokr_{side}_b"}
        if side == "w2" and "lokr_t2" in slots:
            t = found["t2"] = slots["lokr_t2"]
            used.add("lokr_t2")
            fits = t.ndim >= 3 and t.shape[:2] == (a.shape[0], b.shape[0])
        else:
            fits = a.ndim == 2 and b.ndim >= 2 and a.shape[1] == b.shape[0]
        if not fits or 0 in a.shape + b.shape:
            raise Unreadable(f"lokr_{side} factors {_dims(a)}, {_dims(b)} do not multiply")
        rank = int(b.shape[0])
    get = found.get
    whole = Kronecker(
        get("w1"), get("w1_a"), get("w1_b"), get("w2"), get("w2_a"), get("w2_b"), get("t2")
    )
    if rank is None:
        # Two whole factors carry no rank: by convention their alpha means nothing.
        if "alpha" in slots:
            used.add("alpha")
        elif scale is not None:
            whole = replace(whole, scale=scale(0))
        return whole, used
    return replace(whole, scale=_scale(slots, rank, scale, used)), used


def _need(slots: Slots, name: str) -> Array:
    if name not in slots:
        raise Unreadable(f"{name} is missing beside the other factors")
    return slots[name]


def _scale(slots: Slots, rank: int, scale: ScaleOf | None, used: set[str]) -> float:
    if "alpha" not in slots:
        return 1.0 if scale is None else scale(rank)
    used.add("alpha")
    alpha = slots["alpha"]
    if alpha.size != 1:
        raise Unreadable(f"alpha has shape {_dims(alpha)}, not one number")
    value = float(np.asarray(alpha).reshape(-1)[0])
    if not math.isfinite(value):
        raise Unreadable(f"alpha is {value}")
    return value / rank


def _magnitude(array: Array, slot: str, shape: tuple[int, ...]) -> Array:
    """One number per output as (out, 1, ...), per input as (1, in, ...), whoever wrote it."""
    out, into, ones = shape[0], shape[1], (1,) * (len(shape) - 2)
    if slot == "magnitude":
        if array.size != out:
            raise Unreadable(f"magnitude {_dims(array)} does not fit a weight of {shape}")
        return array.reshape(out, 1, *ones)
    if array.size == out and array.shape[0] == out:
        return array.reshape(out, 1, *ones)
    if array.ndim >= 2 and array.shape[0] == 1 and array.size == array.shape[1]:
        if array.size == into or math.prod(shape[1:]) % array.size == 0:
            return array
    raise Unreadable(f"dora_scale {_dims(array)} does not fit a weight of {shape}")


def _dims(array: Array | None) -> str:
    return "x".join(map(str, array.shape)) if array is not None and array.ndim else "a number"


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
