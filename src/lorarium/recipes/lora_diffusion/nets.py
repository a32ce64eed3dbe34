"""The networks: residual MLPs whose features a condition changes, and a VAE of the vectors.

AdaNorm: the condition gives a scale and a shift after a normalisation. ADALoRA: it gives a
low-rank matrix that transforms the features, y = x + (x Pa) Pbᵀ (the authors' layer, rank 8).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TIME = 64
NARROW = 64  # between the condition and the low-rank matrix
CONDITIONINGS = ("adanorm", "adalora")


class AdaNorm(nn.Module):
    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.say = nn.Linear(condition, 2 * width)
        nn.init.zeros_(self.say.weight)
        nn.init.zeros_(self.say.bias)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        scale, shift = self.say(c).chunk(2, -1)
        return self.norm(x) * (1 + scale) + shift


class AdaLora(nn.Module):
    def __init__(self, width: int, condition: int, rank: int = 8) -> None:
        super().__init__()
        self.rank = rank
        self.norm = nn.LayerNorm(width)
        self.say = nn.Sequential(
            nn.LayerNorm(condition), nn.Linear(condition, NARROW), nn.GELU(),
            nn.Linear(NARROW, 2 * width * rank),
        )  # fmt: skip

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        x = self.norm(x)
        a, b = self.say(c).unflatten(-1, (2, -1, self.rank)).unbind(1)
        h = torch.einsum("nw,nwr->nr", x, a) / x.shape[-1] ** 0.5
        return x + torch.einsum("nr,nwr->nw", h, b)


class Layer(nn.Module):
    """norm, SiLU, widen, norm, SiLU, narrow, around a residual path."""

    def __init__(self, width: int, condition: int, conditioning: str) -> None:
        super().__init__()
        norm = {"adanorm": AdaNorm, "adalora": AdaLora}[conditioning]
        self.first, self.second = norm(width, condition), norm(2 * width, condition)
        self.widen, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        nn.init.zeros_(self.narrow.weight)
        nn.init.zeros_(self.narrow.bias)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        h = self.widen(F.silu(self.first(x, c)))
        return x + self.narrow(F.silu(self.second(h, c)))


class Denoiser(nn.Module):
    """Down and up with skips, as the authors' `LoraDiffusion`, smaller."""

    def __init__(
        self, size: int, condition: int, conditioning: str, width: int = 128, depth: int = 3
    ) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(size, width), nn.Linear(width, size)
        self.time = nn.Sequential(nn.Linear(TIME, width), nn.SiLU(), nn.Linear(width, width))
        self.condition = nn.Linear(condition, width)
        self.nothing = nn.Parameter(torch.zeros(condition))
        self.down = nn.ModuleList([Layer(width, width, conditioning) for _ in range(depth)])
        self.up = nn.ModuleList([Layer(width, width, conditioning) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        """Noisy rows (n, size), times (n,) in (0, 1), conditions (n, d) -> what is predicted."""
        c = self.time(times(t)) + self.condition(c)
        h = self.enter(x)
        skips = []
        for layer in self.down:
            h = layer(h, c)
            skips.append(h)
        for layer in self.up:
            h = layer(h + skips.pop(), c)
        return self.leave(self.norm(h))


def times(t: Tensor) -> Tensor:
    rates = torch.exp(torch.linspace(0, math.log(1000.0), TIME // 2, device=t.device))
    angle = t[:, None] * rates
    return torch.cat([angle.sin(), angle.cos()], 1)


class Vae(nn.Module):
    """Residual MLPs to a latent and back; the loss is MSE + 0.1 KL, as the authors weigh it."""

    def __init__(self, size: int, latent: int, width: int = 256, depth: int = 2) -> None:
        super().__init__()
        self.encoder = _mlp(size, 2 * latent, width, depth)
        self.decoder = _mlp(latent, size, width, depth)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.encoder(x).chunk(2, -1)
        return mean, log_variance.clamp(-12, 8)

    def loss(self, x: Tensor, random: torch.Generator) -> Tensor:
        mean, log_variance = self.encode(x)
        noise = torch.randn(mean.shape, generator=random).to(x.device)
        reconstruction = self.decoder(mean + (0.5 * log_variance).exp() * noise)
        kl = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).mean()
        return F.mse_loss(reconstruction, x) + 0.1 * kl


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.SiLU(), nn.Linear(3 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


def _mlp(size: int, out: int, width: int, depth: int) -> nn.Module:
    layers = [_Residual(width) for _ in range(depth)]
    return nn.Sequential(
        nn.Linear(size, width), *layers, nn.LayerNorm(width), nn.Linear(width, out)
    )
