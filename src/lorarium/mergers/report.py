"""What a merge has to say besides its result."""

from __future__ import annotations

from dataclasses import dataclass, field

from lorarium.algebra import Report, Rounding


@dataclass
class MergeReport:
    """What a merge has to say besides its result; a method fills the one that it is given."""

    truncation: Report | None = None
    rounding: Rounding | None = None  # to the 16 bits of the inputs
    norms: tuple[float, ...] = ()
    factors: tuple[float, ...] = ()  # that made the norms equal
    notes: list[str] = field(default_factory=list)
