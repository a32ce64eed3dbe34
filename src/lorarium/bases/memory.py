"""What a base needs and what is free, said before it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from lorarium.bases.device import resolve_device
from lorarium.bases.holding import DTYPES, Holding
from lorarium.bases.stored import DENOISER
from lorarium.errors import LorariumError

NAMES = {"vae": "autoencoder", "text_encoder": "text encoder", "text_encoder_2": "second encoder",
         "text_encoder_3": "third encoder"}  # fmt: skip


def free_bytes(device: torch.device) -> int | None:
    """Memory that a new tensor may take, where the system says so."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        most, used = torch.mps.recommended_max_memory(), torch.mps.current_allocated_memory()
        return int(most - used)
    info = Path("/proc/meminfo")
    if not info.exists():
        return None
    lines = dict(line.split(":", 1) for line in info.read_text().splitlines())
    return int(lines["MemAvailable"].split()[0]) << 10


def needed_bytes(counts: Mapping[str, int], holding: Holding) -> int:
    """Of the weights alone, at least: all at once or, offloaded, the denoiser with the autoencoder,
    or the encoders, which come first."""
    size = DTYPES[holding.dtype]
    if not holding.offload:
        return size * sum(counts.values())
    encoders = sum(count for part, count in counts.items() if part not in (DENOISER, "vae"))
    return size * max(counts.get(DENOISER, 0) + counts.get("vae", 0), encoders)


def check_memory(counts: Mapping[str, int], holding: Holding, where: str = "") -> None:
    """Say the sizes; refuse what surely does not fit."""
    free = free_bytes(resolve_device(holding.device))
    need = needed_bytes(counts, holding)
    if holding.say is not None:
        parts = ", ".join(f"{NAMES.get(part, part)} {_count(n)}" for part, n in counts.items())
        at_once = " at once" if holding.offload else ""
        there = "" if free is None else f"; {_size(free)} are free on {holding.device}"
        holding.say(f"parameters: {parts}; {_size(need)}{at_once} in {holding.dtype}{there}")
    if free is not None and need > free:
        wider = DTYPES[holding.dtype] > 2
        ways = ["a dtype of 16 bits"] * wider + ["offload"] * (not holding.offload)
        raise LorariumError(
            f"the base needs {_size(need)} in {holding.dtype}, {_size(free)} are free on "
            f"{holding.device}",
            where=where, hint=" or ".join(f"use {way}" for way in ways) or "free some memory",
        )  # fmt: skip


def _count(parameters: int) -> str:
    return f"{parameters / 1e6:,.0f} M" if parameters >= 1e6 else f"{parameters:,}"


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
