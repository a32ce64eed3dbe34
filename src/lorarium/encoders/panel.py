"""Two judges' networks heard together: each errs in its own way."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lorarium.encoders.nets import JudgeNet


class Panel(nn.Module):
    """As the first network, but in the vectors of these heads the second one has a share: their
    cosine is the mean of both networks' cosines by that share."""

    def __init__(self, first: JudgeNet, second: JudgeNet, shares: Mapping[str, float]) -> None:
        super().__init__()
        self.first, self.second, self.shares = first, second, dict(shares)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        seen, other = self.first(x), self.second(x)
        for head, share in self.shares.items():
            parts = (1 - share) ** 0.5 * seen[head], share**0.5 * other[head]
            seen[head] = torch.cat(parts, 1)
        return seen

    def say(self, tokens: Tensor) -> Tensor:
        return self.first.say(tokens)
