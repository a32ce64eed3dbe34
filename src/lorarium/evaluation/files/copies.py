"""Does a picture copy one that was learned from? Each drawn picture beside every reference and its
mirror image, pixel by pixel and patch by patch.

How near is too near is said by the references: none is a copy of another, or else it is counted
once. A picture is flagged when it is far nearer to one reference than that reference is to any
other, or when most of its textured patches stand in one reference at nearly their own place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Array = np.ndarray
SIZE = 48  # pixels at which pictures are compared
PATCH, REACH = 7, 3  # side of a patch, and how far it may have moved
BLANK = 0.04  # deviation of a patch below which it says nothing
SAME = 0.06  # root mean square difference, of 1, of patches that are the same
SHARE = 0.6  # of textured patches in one reference that makes a copy
RATIO = 0.4  # of the distance between references that makes a copy


@dataclass(frozen=True)
class Copy:
    picture: int
    reference: int
    kind: str  # pixels or patches
    score: float  # distance as a share of that between references, or share of patches


def find_copies(pictures: Array, references: Array) -> list[Copy]:
    """The pictures (n, h, w, 3) that copy one of the references (m, h, w, 3)."""
    queries = _small(pictures)
    known = _small(references)
    # (2, m, 3, s, s): mirror images are learned too
    variants = torch.stack([known, known.flip(-1)])
    far = torch.stack([_distances(queries, side) for side in variants]).amin(0)  # (n, m)
    apart = _apart(variants)
    copies = []
    for i, query in enumerate(queries):
        j = int(far[i].argmin())
        ratio = float(far[i, j] / apart[j])
        shares = torch.stack([_shared(query, side) for side in variants]).amax(0)  # (m,)
        k = int(shares.argmax())
        if ratio < RATIO:
            copies.append(Copy(i, j, "pixels", round(ratio, 3)))
        elif float(shares[k]) > SHARE:
            copies.append(Copy(i, k, "patches", round(float(shares[k]), 3)))
    return copies


def _small(pictures: Array) -> Tensor:
    x = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 255
    return F.interpolate(x, (SIZE, SIZE), mode="bilinear", antialias=True, align_corners=False)


def _distances(a: Tensor, b: Tensor) -> Tensor:
    """Root mean square difference of pixels, (n, m)."""
    return torch.cdist(a.flatten(1), b.flatten(1)) / a[0].numel() ** 0.5


def _apart(variants: Tensor) -> Tensor:
    """Of each reference, how far the nearest other one is that is no copy of it."""
    far = torch.stack([_distances(variants[0], side) for side in variants]).amin(0)
    far = far.masked_fill((far < SAME) | torch.eye(len(far), dtype=torch.bool), torch.inf)
    nearest = far.amin(1)
    usual = nearest[nearest.isfinite()].median() if bool(nearest.isfinite().any()) else 0.25
    return torch.where(nearest.isfinite(), nearest, usual)


def _shared(query: Tensor, references: Tensor) -> Tensor:
    """Share of a picture's textured patches that stand in each reference near their own place."""
    grey = query.mean(0, keepdim=True)[None]
    textured = (_means(grey**2) - _means(grey) ** 2)[0] > BLANK**2
    if int(textured.sum()) < PATCH:  # next to nothing is drawn
        return torch.zeros(len(references))
    padded = F.pad(references, (REACH,) * 4, mode="replicate")
    nearest = torch.full((len(references), *textured.shape), torch.inf)
    for dy in range(2 * REACH + 1):
        for dx in range(2 * REACH + 1):
            moved = padded[:, :, dy : dy + SIZE, dx : dx + SIZE]
            squares = (moved - query).square().mean(1, keepdim=True)
            nearest = torch.minimum(nearest, _means(squares))
    return (nearest[:, textured] < SAME**2).float().mean(1)


def _means(x: Tensor) -> Tensor:
    """Of every second patch, (n, y, x)."""
    return F.avg_pool2d(x, PATCH, stride=2)[:, 0]
