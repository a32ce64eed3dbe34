"""What a run of the fuzzer has counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

EXAMPLES = 5  # case numbers kept of each find


@dataclass
class Totals:
    """What has been counted so far; `next` is the case to go on with."""

    start: int = 0
    next: int = 0
    operations: int = 0
    by_operation: Counter[str] = field(default_factory=Counter)
    refused: int = 0  # operations that ended in a LorariumError
    foreign: int = 0
    slow: int = 0  # over the limit of time, those that were stopped too
    large: int = 0  # cases that took more memory than they may
    slowest: float = 0.0
    slowest_case: str = ""
    peak_bytes: int = 0
    cpu_seconds: float = 0.0
    finds: dict[str, list[int]] = field(default_factory=dict)

    def find(self, what: str, *numbers: int) -> None:
        self.finds[what] = [*self.finds.get(what, []), *numbers][:EXAMPLES]

    def add(self, later: Totals) -> None:
        """Those of the cases that come after."""
        for name in ("operations", "refused", "foreign", "slow", "large", "cpu_seconds"):
            setattr(self, name, getattr(self, name) + getattr(later, name))
        self.next = later.next
        self.by_operation.update(later.by_operation)
        self.peak_bytes = max(self.peak_bytes, later.peak_bytes)
        if later.slowest > self.slowest:
            self.slowest, self.slowest_case = later.slowest, later.slowest_case
        for what, numbers in later.finds.items():
            self.find(what, *numbers)
