"""The minutes of a stage: what does not fit in them is left for the next run, and that is said."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from lorarium.errors import TimeIsOver


@dataclass(frozen=True)
class TimeBox:
    """So many minutes from now on."""

    minutes: float = math.inf
    started: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """Minutes, none below zero."""
        return max(0.0, self.minutes - (time.monotonic() - self.started) / 60)

    @property
    def deadline(self) -> float:
        """On the monotonic clock."""
        return self.started + 60 * self.minutes

    def check(self, progress: str) -> None:
        """End the stage here if its time is over; `progress` is how far it is."""
        if not self.left:
            raise TimeIsOver(f"the time is over: {progress}", hint="run it again to go on")


ENDLESS = TimeBox()
