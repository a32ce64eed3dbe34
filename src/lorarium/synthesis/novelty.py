"""How far pictures are from anything that the generator has seen, and whether they agree.

Distance: what the generator sees of a picture, on whitened axes, against the nearest of many
pictures of the train split; told as the share of the validation split's pictures that are nearer.
Agreement: cosine of each picture's summary with the mean of the others'.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from lorarium.synthesis.net import KINDS, PARTS

AXES = 24
NEAREST = 3
LEVELS = 101  # quantiles that are kept of the validation split
FAR = 0.98  # farther than this share of the validation split's pictures
# what tells artists apart, and what tells individuals apart
VIEW = {"style": slice(0, PARTS[0]), "subject": slice(PARTS[0], PARTS[0] + PARTS[1])}
Extras = Mapping[str, Tensor]


def measure(train: Tensor, known: Tensor, kind: str) -> dict[str, Tensor]:
    """What is kept: axes of the train pictures' views (n, ...), these pictures on them, and the
    distances of validation pictures (m, ...)."""
    views = _summary(train, kind)
    mean = views.mean(0)
    _, spread, axes = torch.linalg.svd(views - mean, full_matrices=False)
    scale = axes[:AXES].T / (spread[:AXES] / len(views) ** 0.5)
    outside = ((views - mean) - (views - mean) @ axes[:AXES].T @ axes[:AXES]).norm(dim=1)
    held = {
        "mean": mean, "axes": axes[:AXES], "scale": scale, "outside": outside.median()[None],
    }  # fmt: skip
    held["bank"] = _placed(held, views)
    held["levels"] = torch.quantile(_far(held, _summary(known, kind)), torch.linspace(0, 1, LEVELS))
    return {f"{kind}.{name}": value for name, value in held.items()}


def distances(extras: Extras, seen: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    """Of each picture (n, ...): its distance, and the share of validation pictures nearer than
    it."""
    held = _held(extras, kind)
    far = _far(held, _summary(seen, kind))
    return far, torch.searchsorted(held["levels"].contiguous(), far) / LEVELS


def typical(extras: Extras, kind: str) -> float:
    """The validation split's median distance."""
    return float(_held(extras, kind)["levels"][LEVELS // 2])


def agreement(seen: Tensor, kind: str) -> Tensor:
    """Cosine of each of n > 1 pictures' summaries with the mean of the others', (n,)."""
    views = F.normalize(_summary(seen, kind), dim=1)
    others = (views.sum(0) - views) / (len(views) - 1)
    return F.cosine_similarity(views, others, dim=1)


def _held(extras: Extras, kind: str) -> dict[str, Tensor]:
    assert kind in KINDS
    head = f"{kind}."
    return {k.removeprefix(head): v for k, v in extras.items() if k.startswith(head)}


def _summary(seen: Tensor, kind: str) -> Tensor:
    return seen[..., VIEW[kind]].float().cpu()


def _placed(held: Mapping[str, Tensor], views: Tensor) -> Tensor:
    """On the whitened axes, and how far outside of them."""
    centred = views - held["mean"]
    outside = (centred - centred @ held["axes"].T @ held["axes"]).norm(dim=1, keepdim=True)
    return torch.cat([centred @ held["scale"], AXES**0.5 * outside / held["outside"]], 1)


def _far(held: Mapping[str, Tensor], views: Tensor) -> Tensor:
    d = torch.cdist(_placed(held, views), held["bank"])
    return d.topk(NEAREST, largest=False).values.mean(1)
