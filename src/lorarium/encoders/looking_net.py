"""A judge's network of family 2: one that also looks closely where something is to be seen.

Who is shown hangs on a small sign: which emblem, and where on the body. The network tells where
emblem, silhouette and lines are, which the world teaches it cell by cell; then it looks at the body
in the body's own frame and at the emblem in the emblem's, so that what it learns of a star in one
place holds in all.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorarium.encoders.nets import HIDDEN, MIDDLE, SIZE, JudgeNet, NetConfig, Residual

ROUGH = 24  # cells a side of what lies behind a picture
BODY, EMBLEM = 20, 16  # points a side of what is looked at closely; multiples of 4
SEEN = 64  # channels of what is seen there
BODY_REACH = 2.0  # in spreads of the silhouette
EMBLEM_REACH = 0.3  # of the picture's half width


class Look(nn.Module):
    """A square of a picture and of what lies behind it, read by a small network of its own."""

    def __init__(self, points: int, width: int) -> None:
        super().__init__()
        self.points = points
        self.first = nn.Conv2d(6, 32, 3, padding=1)
        self.norm_first, self.norm_second = nn.GroupNorm(4, 32), nn.GroupNorm(8, SEEN)
        self.second = nn.Conv2d(32, SEEN, 3, padding=1)
        flat = SEEN * (points // 4) ** 2
        self.say = nn.Sequential(nn.Linear(flat, width), nn.GELU())

    def forward(self, maps: Tensor, centre: Tensor, reach: Tensor | float) -> tuple[Tensor, Tensor]:
        """What is there, place by place (n, width), and anywhere (n, SEEN)."""
        x = look_at(maps, centre, reach, self.points)
        x = F.max_pool2d(F.relu(self.norm_first(self.first(x))), 2)
        x = F.relu(self.norm_second(self.second(x)))
        places = F.max_pool2d(x, 2).flatten(1)
        return self.say(F.layer_norm(places, places.shape[1:])), x.mean((2, 3))


class LookingNet(JudgeNet):
    def __init__(self, config: NetConfig) -> None:
        super().__init__(config)
        self.finer = nn.Sequential(Residual(MIDDLE), Residual(MIDDLE))
        self.fields = nn.Conv2d(MIDDLE, 3 * (ROUGH // (SIZE // 4)) ** 2, 1)
        self.body, self.emblem = Look(BODY, HIDDEN), Look(EMBLEM, HIDDEN)
        self.closely = nn.Sequential(nn.Linear(2 * (HIDDEN + SEEN) + 5, HIDDEN), nn.GELU())
        self.identity_too = nn.Linear(HIDDEN, config.width)
        nn.init.zeros_(self.identity_too.weight)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """As `JudgeNet`, with `fields`: logits (n, 3, 24, 24) of emblem, silhouette and lines. Once
        trained it also looks at the mirror image: who is shown stays the same."""
        seen = self._seen(x)
        if not self.training:
            mirrored = self._seen(x.flip(3))["identity"]
            seen["identity"] = F.normalize(seen["identity"] + mirrored)
        return seen

    def _seen(self, x: Tensor) -> dict[str, Tensor]:
        seen = super().forward(x)
        seen["fields"] = F.pixel_shuffle(self.fields(self.finer(seen["middle"])), 2)
        shares = seen["fields"].sigmoid()
        with torch.no_grad():  # where to look is taught by what lies behind the pictures alone
            body, width = middle_of(shares[:, 1])
            emblem, _ = middle_of(shares[:, 0] ** 2)
            away = (emblem - body) / width
        maps = torch.cat([x, F.interpolate(shares, x.shape[-2:], mode="bilinear")], 1)
        at_body = self.body(maps, body, BODY_REACH * width)
        at_emblem = self.emblem(maps, emblem, EMBLEM_REACH)
        even = [F.layer_norm(part, part.shape[1:]) for part in (*at_body, *at_emblem)]
        where = [away, away.abs(), shares[:, 0].mean((1, 2))[:, None] * 20]
        closely = self.closely(torch.cat([*even, *where], 1))
        identity = self.identity(seen["layout"]) + self.identity_too(closely)
        seen["identity"] = F.normalize(identity)
        seen["body"], seen["emblem"] = at_body[1], at_emblem[0]
        return seen


def middle_of(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Centre (n, 2) of weights (n, s, s), x first, from -1 to 1, and spread (n, 1) around it."""
    side = weights.shape[-1]
    step = (torch.arange(side, device=weights.device, dtype=weights.dtype) + 0.5) * (2 / side) - 1
    share = weights / weights.sum((1, 2), keepdim=True).clamp_min(1e-4)
    by_x, by_y = share.sum(1), share.sum(2)
    centre = torch.stack([by_x @ step, by_y @ step], 1)
    spread = by_x @ step**2 + by_y @ step**2 - centre.square().sum(1)
    return centre, spread.clamp_min(0.01).sqrt()[:, None].clamp(0.15, 0.7)


def look_at(maps: Tensor, centre: Tensor, reach: Tensor | float, points: int) -> Tensor:
    """Maps (n, c, s, s) sampled on a square around a centre, (n, c, points, points)."""
    n = len(maps)
    corner = torch.zeros(n, 2, 3, device=maps.device, dtype=maps.dtype)
    corner[:, 0, 0] = corner[:, 1, 1] = (
        reach[:, 0] if isinstance(reach, Tensor) else torch.full((n,), reach, device=maps.device)
    )
    corner[:, :, 2] = centre
    grid = F.affine_grid(corner, [n, maps.shape[1], points, points], align_corners=False)
    return F.grid_sample(maps, grid, align_corners=False)
