"""What an adoption will take on this machine, before it is begun."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lorarium.bases.base import Base, modules
from lorarium.recipes.adoption.effort import SHARES, Effort
from lorarium.recipes.adoption.stages import Stage
from lorarium.recipes.adoption.timing import Timing

RANK = 8  # of an adapter as the recipes make them, nearly
HOUR = 3600.0


@dataclass(frozen=True)
class Plan:
    """The effort that fits, what each stage takes of it in seconds, and bytes on disk."""

    effort: Effort
    seconds: dict[str, float]
    bytes: int
    adapters: int
    fits: bool  # the minutes that were asked for

    @property
    def hours(self) -> float:
        return sum(self.seconds.values()) / HOUR

    def as_json(self) -> dict[str, Any]:
        return {
            "share": self.effort.share, "hours": round(self.hours, 2),
            "stages": {name: round(s / HOUR, 3) for name, s in self.seconds.items()},
            "adapters": self.adapters, "disk": self.bytes, "fits": self.fits,
        }  # fmt: skip


def make_plan(
    base: Base, timing: Timing, stages: Sequence[Stage], effort: Effort, minutes: float | None,
    share: float | None = None,
) -> Plan:  # fmt: skip
    """The largest effort that takes no more than so many minutes; the smallest when none does. A
    `share` is taken as it is."""
    shares = SHARES if share is None else (share,)
    for amount in shares:
        some = replace(effort, share=amount)
        seconds = {stage.name: stage.seconds(base, some, timing) for stage in stages}
        fits = minutes is None or sum(seconds.values()) <= 60 * minutes
        if fits or amount == shares[-1]:
            count = _adapters(some, stages)
            return Plan(some, seconds, count * adapter_bytes(base), count, fits)
    raise AssertionError("there is a smallest share")


def _adapters(effort: Effort, stages: Sequence[Stage]) -> int:
    names = {stage.name for stage in stages}
    zoo = len(effort.zoo().entries) if "zoo" in names else 0
    return zoo + (len(effort.merge_zoo().entries) if "merge" in names else 0)


def adapter_bytes(base: Base) -> int:
    """Of an adapter in single precision."""
    shapes = modules(base, "linear", ("denoiser",)).values()
    return 4 * RANK * sum(shape[0] + shape[1] for shape in shapes)
