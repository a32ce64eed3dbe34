"""A clock that is looked at so often before the time is over, on any machine."""

from __future__ import annotations

from dataclasses import dataclass, field

from lorarium.recipes.timebox import TimeBox


@dataclass(frozen=True)
class Looks(TimeBox):
    count: list[int] = field(default_factory=lambda: [0])

    @property
    def left(self) -> float:
        self.count[0] -= 1
        return float(self.count[0] >= 0)


def looks(count: int) -> TimeBox:
    return Looks(count=[count])
