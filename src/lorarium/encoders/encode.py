"""Pictures of any size to vectors."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorarium.encoders.nets import SIZE
from lorarium.errors import LorariumError

Array = np.ndarray


def as_input(pictures: Array) -> Tensor:
    """uint8 pictures (..., h, w, 3) as (n, 3, 48, 48) in [-1, 1]."""
    if pictures.dtype != np.uint8 or pictures.ndim < 4 or pictures.shape[-1] != 3:
        raise LorariumError(
            f"found {pictures.dtype} of shape {pictures.shape}", where="pictures",
            hint="give uint8 pictures (n, height, width, 3)",
        )  # fmt: skip
    flat = np.ascontiguousarray(pictures.reshape(-1, *pictures.shape[-3:]))
    if len(flat) == 0 or min(flat.shape[1:3]) == 0:
        raise LorariumError("there are no pictures", where="pictures", hint="give at least one")
    x = torch.from_numpy(flat).permute(0, 3, 1, 2).float() / 127.5 - 1
    if x.shape[-2:] != (SIZE, SIZE):
        x = F.interpolate(x, (SIZE, SIZE), mode="bilinear", antialias=True, align_corners=False)
    return x


def encode(net: nn.Module, pictures: Array, *heads: str, batch: int = 256) -> tuple[Array, ...]:
    """What the named heads say, each (..., d) for pictures (..., h, w, 3)."""
    device = next(net.parameters()).device
    x = as_input(pictures)
    by_head: list[list[Tensor]] = [[] for _ in heads]
    with torch.no_grad():
        for part in x.split(batch):
            outputs = net(part.to(device))
            for rows, head in zip(by_head, heads, strict=True):
                rows.append(outputs[head].float().cpu())
    lead = pictures.shape[:-3]
    return tuple(torch.cat(rows).numpy().reshape(*lead, -1) for rows in by_head)
