"""Muon (Jordan 2024) in float32, kernels taken as matrices.

torch's own rounds to bfloat16, which processors without such instructions multiply fifty times
slower.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Newton-Schulz coefficients of the reference implementation
COEFFICIENTS = (3.4445, -4.7750, 2.0315)


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised; rates are matched to AdamW's (an update's root mean square is
    0.2 times the rate)."""

    def __init__(
        self, parameters: list[nn.Parameter], lr: float, momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:  # fmt: skip
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(parameters, defaults)

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            shapes: dict[tuple[int, int], list[tuple[nn.Parameter, Tensor]]] = {}
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(p)
                state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                update = p.grad.lerp(state["momentum"], group["momentum"])
                flat = update.reshape(len(update), -1)
                shapes.setdefault((flat.shape[0], flat.shape[1]), []).append((p, flat))
            for (rows, columns), same in shapes.items():
                updates = orthogonalised(torch.stack([flat for _, flat in same]))
                rate = group["lr"] * 0.2 * max(rows, columns) ** 0.5
                for (p, _), update in zip(same, updates, strict=True):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.add_(update.reshape(p.shape), alpha=-rate)


def orthogonalised(x: Tensor, steps: int = 5) -> Tensor:
    """Matrices (n, rows, columns) with all singular values near 1."""
    a, b, c = COEFFICIENTS
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        square = x @ x.mT
        x = torch.baddbmm(a * x, torch.baddbmm(b * square, square, square, alpha=c), x)
    return x.mT if tall else x
