"""Muon's updates are orthogonal, whatever the shape, and rows of a batch do not mix."""

from __future__ import annotations

import torch
from torch import nn

from lorarium.encoders.muon import Muon, orthogonalised


def test_singular_values_come_near_one() -> None:
    torch.manual_seed(1)
    for shape in ((2, 8, 8), (3, 4, 20), (1, 30, 6)):
        x = torch.randn(shape) * torch.tensor(1e-3)
        values = torch.linalg.svdvals(orthogonalised(x))
        assert 0.6 < float(values.min()) and float(values.max()) < 1.35
        alone = torch.cat([orthogonalised(row[None]) for row in x])
        assert torch.allclose(alone, orthogonalised(x), atol=1e-5)


def test_it_agrees_with_torchs_own_up_to_rounding() -> None:
    torch.manual_seed(2)
    start = torch.randn(32, 48)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    a = Muon([ours], lr=0.02, momentum=0.9, weight_decay=0.1)
    b = torch.optim.Muon(
        [theirs], lr=0.02, momentum=0.9, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"
    )
    for step in range(3):
        grad = torch.randn(32, 48, generator=torch.Generator().manual_seed(step))
        ours.grad, theirs.grad = grad.clone(), grad.clone()
        a.step()
        b.step()
    moved = (theirs - start).detach().norm()
    assert float((ours - theirs).detach().norm() / moved) < 0.03


def test_kernels_are_taken_as_matrices() -> None:
    torch.manual_seed(3)
    kernel = nn.Parameter(torch.zeros(8, 4, 3, 3))
    kernel.grad = torch.randn(8, 4, 3, 3)
    Muon([kernel], lr=1.0).step()
    values = torch.linalg.svdvals(kernel.detach().reshape(8, -1))
    assert float(values.max() / values.min()) < 2.5
