"""Where networks run: a device by name, refused in one line when it is none that can be used."""

from __future__ import annotations

import torch

from lorarium.errors import LorariumError, did_you_mean, quoted

KINDS = ("cpu", "cuda", "mps")


def resolve_device(name: str) -> torch.device:
    """`cpu`, `cuda`, `cuda:1` or `mps` as a device that this machine has.

    >>> resolve_device("cpu").type
    'cpu'
    """
    kind = name.partition(":")[0]
    if kind not in KINDS:
        hint = f"use {' or '.join(KINDS)}{did_you_mean(kind, KINDS)}"
        raise LorariumError(f"no device is called {quoted(name)}", hint=hint)
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError):  # torch built without it asserts
        why = "this torch finds no CUDA" if kind == "cuda" and not torch.cuda.is_available() else ""
        what = f"the device {quoted(name)} cannot be used"
        raise LorariumError(f"{what}: {why}" if why else what, hint="use cpu") from None
    return device
