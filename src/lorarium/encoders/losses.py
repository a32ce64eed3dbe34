"""What encoders are trained on: verification against prototypes, and picture-word contrast."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def against_prototypes(
    vectors: Tensor, member: Tensor, each_group: int, scale: Tensor, bias: Tensor
) -> Tensor:
    """Generalised end-to-end loss (Wan et al. 2018, arXiv 1710.10467), on unit vectors (n, d).

    Each picture is compared with every member's prototype, its own left out of its member's:
    once as a choice among all, once as yes or no among the members of its group, so that one
    threshold fits all groups. Members (n,) are whole numbers without gaps.
    """
    count = int(member.max()) + 1
    membership = F.one_hot(member, count).to(vectors.dtype)
    sums = membership.T @ vectors
    scores = vectors @ F.normalize(sums).T
    prototypes_without = F.normalize(sums[member] - vectors)
    left_out = (vectors * prototypes_without).sum(1, keepdim=True)
    scores = torch.where(membership.bool(), left_out, scores)
    choice = F.cross_entropy(scale.exp() * scores, member)
    groups = torch.arange(count, device=vectors.device) // each_group
    near = groups[None] == groups[member][:, None]
    logits = scale.exp() * scores + bias
    yes = F.softplus(-logits)[membership.bool()].mean()
    no = F.softplus(logits)[near & ~membership.bool()].mean()
    return choice + yes + no


def contrast(pictures: Tensor, words: Tensor, scale: Tensor, same: Tensor | None = None) -> Tensor:
    """CLIP's loss; pairs that say the same (n, n) are not held against each other."""
    logits = scale.exp() * pictures @ words.T
    if same is not None:
        logits = logits.masked_fill(same, -1e4)
    target = torch.arange(len(logits), device=logits.device)
    return 0.5 * (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target))


def same_rows(words: Tensor) -> Tensor:
    """Which other rows (n, n) hold the same words, in any order."""
    bags = words.sort(1).values
    itself = torch.eye(len(words), dtype=torch.bool, device=words.device)
    return (bags[:, None] == bags[None]).all(2) & ~itself
