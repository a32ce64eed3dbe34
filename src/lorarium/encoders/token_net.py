"""A judge's network of family 2: attention among tokens, and glimpses where they say something.

Who is shown hangs on a small sign: which emblem, and where on the body. The network tells where
emblem, silhouette and lines are, which the world teaches it cell by cell; then it looks at the body
in the body's own frame and at the emblem in the emblem's, so that what it learns of a star in one
place holds in all.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorarium.encoders.nets import HIDDEN, Attention, NetConfig, Residual

FINE, MIDDLE, TOKEN = 32, 64, 128
CELLS, TOKENS = 12, 6  # a side
KEPT_FINE, KEPT_CELLS, KEPT_TOKENS = 12, 8, 16  # channels that are read place by place
ROUGH = 24  # cells a side of what lies behind a picture
LAYOUT = 2 * HIDDEN
BODY, GLIMPSE, CLOSE = 12, 6, 10  # points a side of what is looked at: body, emblem, its pixels
BODY_REACH = 2.0  # in spreads of the silhouette
EMBLEM_REACH = 0.3  # of the picture's half width


class TokenTrunk(nn.Module):
    def __init__(self, depth: int) -> None:
        super().__init__()
        self.fine = nn.Conv2d(3, FINE, 4, 2, 1)
        self.fine_too = nn.Conv2d(FINE, FINE, 3, padding=1)
        self.middle = nn.Conv2d(FINE, MIDDLE, 4, 2, 1)
        self.residual = nn.Sequential(Residual(MIDDLE), Residual(MIDDLE))
        self.coarse = nn.Conv2d(MIDDLE, TOKEN, 2, 2)
        self.place = nn.Parameter(0.02 * torch.randn(1, TOKENS**2, TOKEN))
        self.layers = nn.Sequential(*[Attention(TOKEN) for _ in range(depth)])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps at 24, 12 and 6 cells a side."""
        fine = F.relu(self.fine(x))
        fine = fine + F.relu(self.fine_too(fine))
        middle = F.relu(self.residual(self.middle(fine)))
        coarse = self.coarse(middle)
        tokens = self.layers(coarse.flatten(2).transpose(1, 2) + self.place)
        return fine, middle, tokens.transpose(1, 2).reshape(coarse.shape)


class TokenNet(nn.Module):
    """Heads for artist, genre, individual and class, as `JudgeNet` has them."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = TokenTrunk(config.depth)
        channels = 2 * (FINE + MIDDLE + TOKEN)
        self.texture = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, HIDDEN), nn.GELU())
        self.fields = nn.Conv2d(MIDDLE, 3 * (ROUGH // CELLS) ** 2, 1)
        self.keep_fine = nn.Conv2d(FINE, KEPT_FINE, 1)
        self.keep_cells = nn.Conv2d(MIDDLE, KEPT_CELLS, 1)
        self.keep_tokens = nn.Conv2d(TOKEN, KEPT_TOKENS, 1)
        places = (
            (KEPT_CELLS + 3) * BODY**2 + KEPT_TOKENS * TOKENS**2
            + KEPT_FINE * GLIMPSE**2 + 3 * CLOSE**2 + 5
        )  # fmt: skip
        self.layout = nn.Sequential(nn.Linear(places, LAYOUT), nn.GELU())
        self.think = nn.Sequential(nn.LayerNorm(LAYOUT), nn.Linear(LAYOUT, LAYOUT), nn.GELU())
        self.style = nn.Linear(HIDDEN, config.width)
        self.identity = nn.Linear(LAYOUT, config.width)
        self.genre = nn.Linear(HIDDEN, config.genres)
        self.kind = nn.Linear(LAYOUT, config.classes)
        self.scales = nn.Parameter(torch.tensor([2.3, 2.3]))
        self.biases = nn.Parameter(torch.tensor([-5.0, -5.0]))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        fine, middle, coarse = self.trunk(x)
        flat = [m.flatten(2) for m in (fine, middle, coarse)]
        means = [m.mean(2) for m in flat]
        # not var: it is slow, and its gradient slower
        spread = [
            ((m * m).mean(2) - mean * mean).clamp_min(0).add(1e-4).sqrt()
            for m, mean in zip(flat, means, strict=True)
        ]
        texture = self.texture(torch.cat([*means, *spread], 1))
        fields = F.pixel_shuffle(self.fields(middle), ROUGH // CELLS)
        layout = self.layout(self._places(x, fine, middle, coarse, fields))
        layout = layout + self.think(layout)
        return {
            "style": F.normalize(self.style(texture)),
            "identity": F.normalize(self.identity(layout)),
            "genre": self.genre(texture),
            "kind": self.kind(layout),
            "texture": texture,
            "layout": layout,
            "fields": fields,
        }

    def _places(
        self, x: Tensor, fine: Tensor, middle: Tensor, coarse: Tensor, fields: Tensor
    ) -> Tensor:
        """What is seen place by place, the body's places and the emblem's among them."""
        seen = fields.sigmoid()
        with torch.no_grad():  # where to look is taught by what lies behind the pictures alone
            body, width = middle_of(seen[:, 1])
            emblem, _ = middle_of(seen[:, 0] ** 2)
            away = (emblem - body) / width
        cells = torch.cat([F.interpolate(self.keep_cells(middle), scale_factor=2.0), seen], 1)
        parts = [
            look_at(cells, body, BODY_REACH * width, BODY),
            self.keep_tokens(coarse).flatten(1),
            look_at(self.keep_fine(fine), emblem, EMBLEM_REACH, GLIMPSE),
            look_at(x, emblem, EMBLEM_REACH, CLOSE),
            torch.cat([away, away.abs(), seen[:, 0].mean((1, 2))[:, None] * 20], 1),
        ]
        return torch.cat([F.layer_norm(p, p.shape[1:]) for p in parts[:-1]] + parts[-1:], 1)


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
    """Maps (n, c, s, s) sampled on a square around a centre, flat."""
    n = len(maps)
    corner = torch.zeros(n, 2, 3, device=maps.device, dtype=maps.dtype)
    corner[:, 0, 0] = corner[:, 1, 1] = (
        reach[:, 0] if isinstance(reach, Tensor) else torch.full((n,), reach, device=maps.device)
    )
    corner[:, :, 2] = centre
    grid = F.affine_grid(corner, [n, maps.shape[1], points, points], align_corners=False)
    return F.grid_sample(maps, grid, align_corners=False).flatten(1)
