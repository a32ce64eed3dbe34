"""How a base is held: where it runs, in which numbers, and what waits outside of its memory.

Nothing here needs torch before a base is opened, so that the command line can make one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from lorarium.errors import LorariumError, did_you_mean, quoted

DTYPES = {"float32": 4, "bfloat16": 2, "float16": 2}  # bytes of a number


@dataclass(frozen=True)
class Holding:
    """`say` hears the sizes before anything large is read."""

    device: str = "cpu"
    dtype: str = "float32"
    offload: bool = False  # every network is in the device's memory only while it is needed
    checkpointing: bool = False  # what the denoiser's blocks computed is computed again, not kept
    say: Callable[[str], None] | None = None

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            hint = f"use {', '.join(DTYPES)}{did_you_mean(self.dtype, DTYPES)}"
            raise LorariumError(f"no number type is called {quoted(self.dtype)}", hint=hint)

    def require_float32(self, family: str) -> None:
        """Refuse another number type for a base whose weights are checked as they are."""
        if self.dtype != "float32":
            raise LorariumError(f"{family} runs in float32 only", hint="leave the dtype out")


@dataclass(frozen=True)
class BaseToOpen:
    """A base that is opened when its turn comes, after cheaper checks."""

    where: str | os.PathLike[str] | None = None
    holding: Holding = field(default_factory=Holding)
