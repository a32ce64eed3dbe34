"""A fixed linear codec: pictures to the main axes of their patches, and back.

Patches of 4 x 4 pixels have 48 numbers, of which a few axes keep nearly all energy. An axis of
spread s becomes a channel of spread s ** 0.5 (over a common factor): strong axes lead, weak ones
do not drown in noise.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PATCH = 4


class PatchCodec(nn.Module):
    """Pictures (n, 3, s, s) in [-1, 1] <-> latents (n, channels, s / 4, s / 4)."""

    axes: Tensor
    centre: Tensor
    scale: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        width = 3 * PATCH * PATCH
        self.register_buffer("axes", torch.zeros(channels, width))
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("scale", torch.ones(channels))

    def encode(self, pictures: Tensor) -> Tensor:
        patches = F.pixel_unshuffle(pictures, PATCH)
        flat = torch.einsum("cp,nphw->nchw", self.axes, patches - self.centre[:, None, None])
        return flat / self.scale[:, None, None]

    def decode(self, latents: Tensor) -> Tensor:
        flat = torch.einsum("cp,nchw->nphw", self.axes, latents * self.scale[:, None, None])
        return F.pixel_shuffle(flat + self.centre[:, None, None], PATCH)


def fit_codec(pictures: Tensor, channels: int) -> PatchCodec:
    """The codec of the main axes of these pictures' patches."""
    patches = F.pixel_unshuffle(pictures, PATCH).permute(0, 2, 3, 1).reshape(-1, 3 * PATCH * PATCH)
    codec = PatchCodec(channels)
    codec.centre.copy_(patches.mean(0))
    around = (patches - codec.centre).double()
    values, vectors = torch.linalg.eigh(around.T @ around / len(around))
    axes = vectors.flip(1)[:, :channels].T
    axes = axes * axes.sum(1, keepdim=True).sign()  # eigenvectors have no sign of their own
    spread = values.flip(0)[:channels].sqrt()
    codec.axes.copy_(axes)
    # channels of mean variance 1
    codec.scale.copy_(spread.sqrt() * spread.mean().sqrt())
    return codec
