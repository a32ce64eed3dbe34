"""Gradient checkpointing: what the denoiser's blocks computed is computed again on the way back."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint

from lorarium.bases.base import Base
from lorarium.bases.branches import applied, branches_now
from lorarium.bases.resting import keep_to_one_process
from lorarium.errors import LorariumError


def checkpoint_gradients(base: Base) -> None:
    """From now on gradients through the base take less memory and more time.

    A block is computed again with the branches that it had, whatever runs by then.
    """
    denoiser: Any = base.networks["denoiser"]
    if not getattr(denoiser, "_supports_gradient_checkpointing", False):
        raise LorariumError(
            f"{base.family} has no gradient checkpointing", hint="it is small: leave it out"
        )

    def again(block: nn.Module, *inputs: Any) -> Any:
        branches = branches_now(base)
        return checkpoint(
            block, *inputs, use_reentrant=False,
            context_fn=lambda: (nullcontext(), applied(base, branches)),
        )  # fmt: skip

    denoiser.enable_gradient_checkpointing(again)
    keep_to_one_process(denoiser)
