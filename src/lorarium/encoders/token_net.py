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
KEPT_TOKENS = 16  # channels that are read place by place
ROUGH = 24  # cells a side of what lies behind a picture
LAYOUT = 2 * HIDDEN
BODY, EMBLEM = 20, 16  # points a side of what is looked at closely; multiples of 4
SEEN = 64  # channels of what is seen there
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


class TokenNet(nn.Module):
    """Heads for artist, genre, individual and class, as `JudgeNet` has them."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = TokenTrunk(config.depth)
        channels = 2 * (FINE + MIDDLE + TOKEN)
        self.texture = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, HIDDEN), nn.GELU())
        self.fields = nn.Conv2d(MIDDLE, 3 * (ROUGH // CELLS) ** 2, 1)
        self.body, self.emblem = Look(BODY, HIDDEN), Look(EMBLEM, HIDDEN)
        self.keep_tokens = nn.Conv2d(TOKEN, KEPT_TOKENS, 1)
        places = KEPT_TOKENS * TOKENS**2 + 2 * (HIDDEN + SEEN) + 5
        self.layout = nn.Sequential(nn.Linear(places, LAYOUT), nn.GELU())
        self.think = nn.Sequential(nn.LayerNorm(LAYOUT), nn.Linear(LAYOUT, LAYOUT), nn.GELU())
        self.style = nn.Linear(HIDDEN, config.width)
        self.identity = nn.Linear(LAYOUT, config.width)
        self.genre = nn.Linear(HIDDEN, config.genres)
        self.kind = nn.Linear(LAYOUT, config.classes)
        self.scales = nn.Parameter(torch.tensor([2.3, 2.3]))
        self.biases = nn.Parameter(torch.tensor([-5.0, -5.0]))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Once trained it also looks at the mirror image: who is shown stays the same."""
        seen = self._seen(x)
        if not self.training:
            mirrored = self._seen(x.flip(3))["identity"]
            seen["identity"] = F.normalize(seen["identity"] + mirrored)
        return seen

    def _seen(self, x: Tensor) -> dict[str, Tensor]:
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
        at = self._places(x, fields)
        tokens = self.keep_tokens(coarse).flatten(1)
        parts = [*at["body"], *at["emblem"], tokens]
        even = [F.layer_norm(part, part.shape[1:]) for part in parts]
        layout = self.layout(torch.cat([*even, at["where"][0]], 1))
        layout = layout + self.think(layout)
        return {
            "style": F.normalize(self.style(texture)),
            "identity": F.normalize(self.identity(layout)),
            "genre": self.genre(texture),
            "kind": self.kind(layout),
            "texture": texture,
            "layout": layout,
            "fields": fields,
            "body": at["body"][1],
            "emblem": at["emblem"][0],
        }

    def _places(self, x: Tensor, fields: Tensor) -> dict[str, tuple[Tensor, ...]]:
        """The body as it looks in its own frame, the emblem in its own, and where that one is."""
        seen = fields.sigmoid()
        with torch.no_grad():  # where to look is taught by what lies behind the pictures alone
            body, width = middle_of(seen[:, 1])
            emblem, _ = middle_of(seen[:, 0] ** 2)
            away = (emblem - body) / width
        maps = torch.cat([x, F.interpolate(seen, x.shape[-2:], mode="bilinear")], 1)
        where = [away, away.abs(), seen[:, 0].mean((1, 2))[:, None] * 20]
        return {
            "body": self.body(maps, body, BODY_REACH * width),
            "emblem": self.emblem(maps, emblem, EMBLEM_REACH),
            "where": (torch.cat(where, 1),),
        }


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
