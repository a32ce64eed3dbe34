"""Where the stages of one base work: on what, where what they make goes, where the rest is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lorarium.bases.base import Base, open_base
from lorarium.trained import ASSETS

RUNS = Path("runs")


@dataclass(frozen=True, eq=False)
class Workplace:
    """The stages of the base that ships work in `runs` and make what ships; an adopted base has a
    folder for either.

    `to_the_end`: a run's rates follow its plan and not the minutes of a call, so that it comes out
    the same however often it was interrupted.
    """

    base: Base
    files: Path = ASSETS
    runs: Path = RUNS
    to_the_end: bool = False

    @classmethod
    def shipped(cls, device: str = "cpu") -> Workplace:
        return cls(open_base(None, device))

    def asset(self, ships: Path) -> Path:
        """Where the file that ships there goes here."""
        return self.files / ships.name
