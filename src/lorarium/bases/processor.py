"""What the processor at hand is good at."""

from __future__ import annotations

import torch


def bfloat16_pays(device: torch.device) -> bool:
    """Whether products in bfloat16 are faster than in float32. On processors without instructions
    for it they are fifty times slower, and where these work on vectors and not on tiles (AVX-512
    without AMX) the conversions cost more than the products spare."""
    if device.type != "cpu":
        return True
    if not hasattr(torch.cpu, "get_capabilities"):
        return False
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))
