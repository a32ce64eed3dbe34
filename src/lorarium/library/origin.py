"""What one file was made of, as an answer."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lorarium.library.members import Member
from lorarium.library.stated import Statement


@dataclass(frozen=True)
class Origin:
    """A parent: the files that may be it (equal but for rounding and strength, the likeliest
    first), the weight and its interval, and other files that would do as well."""

    files: tuple[Member, ...]
    weight: float | None
    low: float
    high: float
    share: float
    verdict: str
    said_by_file: bool = False
    instead: tuple[Member, ...] = ()


@dataclass(frozen=True)
class Origins:
    """`claim` is the header's statement, `agrees` whether the weights bear it out (None when that
    cannot be told), `absent` how many of its inputs are not here; `via` the file that the target
    was cut from and has its origins through."""

    origins: tuple[Origin, ...]
    rest: float
    cut: float
    varies: bool
    verdict: str
    exact: bool
    claim: Statement | None = None
    agrees: bool | None = None
    absent: int = 0
    via: Member | None = None

    @property
    def paths(self) -> set[str]:
        return {m.path for o in self.origins for m in o.files}


def scaled(origin: Origin, factor: float) -> Origin:
    if origin.weight is None:
        return origin
    low, high = sorted((origin.low * factor, origin.high * factor))
    return replace(origin, weight=origin.weight * factor, low=low, high=high)
