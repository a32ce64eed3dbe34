"""The distance of looks: what a squared error cannot tell apart."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from lorarium.encoders.encode import as_input
from lorarium.encoders.look import Look
from lorarium.world.scene import Style, Subject, View, render


def test_a_blur_looks_less_like_a_picture_than_a_fainter_one_does() -> None:
    genres = ("ink", "comic", "hatching", "stencil")
    true = as_input(
        render([Subject("cat", 5)] * 4, [Style(g, 7) for g in genres], [View(3)] * 4, 48)
    )
    blurred = F.avg_pool2d(F.pad(true, (2, 2, 2, 2), mode="replicate"), 5, 1)
    mean = true.mean((2, 3), keepdim=True)
    error = (blurred - true).square().mean((1, 2, 3), keepdim=True)
    share = (error / (true - mean).square().mean((1, 2, 3), keepdim=True)).sqrt()
    fainter = true + share * (mean - true)  # by the same squared error
    assert torch.allclose((fainter - true).square().mean((1, 2, 3)), error.flatten(), rtol=1e-3)
    look = Look()
    assert look(true, true).max() < 1e-9
    apart = look(blurred, true) / look(fainter, true)
    assert apart.min() > 1.1 and apart.mean() > 1.5
