"""What a judge says: every picture beside every reference, and one verdict for each picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from lorarium.errors import LorariumError

Array = np.ndarray
Aspect = Literal["subject", "style"]
ASPECTS: tuple[Aspect, ...] = ("subject", "style")


@dataclass(frozen=True)
class Comparison:
    """Pictures (n) beside references (m). Where no answer came there is never a yes."""

    grades: Array = field(repr=False)  # float (n,): higher is nearer; what rankings compare
    yes: Array | None = None  # bool (n, m); None: the judge has no threshold
    answered: Array | None = None  # bool (n, m); None: everywhere
    passes: Array | None = None  # bool (n,): a judge's own rule for a set, else the majority

    def __post_init__(self) -> None:
        if self.yes is None:
            return
        if self.answered is not None and bool((self.yes & ~self.answered).any()):
            raise ValueError("a yes without an answer")
        if self.passes is None:
            object.__setattr__(self, "passes", majority(self.yes))

    @property
    def verdicts(self) -> tuple[Array, Array]:
        """Of pairs (n, m) and of pictures (n,), from a judge that has any."""
        if self.yes is None or self.passes is None:
            raise LorariumError(
                "a judge without thresholds says no yes", where="judge",
                hint="calibrate it on strangers",
            )  # fmt: skip
        return self.yes, self.passes

    @property
    def unanswered(self) -> int:
        return 0 if self.answered is None else int((~self.answered).sum())


def majority(yes: Array) -> Array:
    """Pictures (n,) to which more than half of all references (n, m) say yes."""
    return np.asarray(yes.sum(1) * 2 > yes.shape[1])


class PictureJudge(Protocol):
    """Says of pictures whether they show this subject, or are in this style.

    Thresholds and calibration belong to the judge. Pictures and references are uint8
    (n, h, w, 3), of any size.
    """

    @property
    def name(self) -> str: ...

    @property
    def card(self) -> dict[str, Any]:
        """What decides the verdicts, for a report."""

    def compare(self, aspect: Aspect, pictures: Array, references: Array) -> Comparison: ...
