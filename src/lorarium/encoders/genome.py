"""The truth as a teacher: while it learns, a judge also tells the numbers behind a picture.

An individual and an artist are drawn from genomes; reading them off a picture is a far denser
signal than who is who. Which numbers show at all depends on the class, the genre and the marks,
so each has a spread of its own that is learned (Kendall et al. 2018, arXiv 1705.07115): what
cannot be seen soon weighs nothing. These heads are thrown away after training.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorarium.world import colour
from lorarium.world.emblems import EMBLEMS, emblem_kind, place
from lorarium.world.pen import GENES, MARKS
from lorarium.world.scene import Style, Subject, body_of, hand_of
from lorarium.world.styles import Brush

BUILD, MARK_NUMBERS, COLOUR_NUMBERS, EMBLEM_NUMBERS = 3, 4, 9, 4


def subject_numbers(subject: Subject) -> np.ndarray:
    """Shape genes and build, the kind of marks, their numbers, three colours, the kind of emblem,
    its place, size and lightness; from -1 to 1."""
    body = body_of(subject)
    kind = min(int(body.marks[0] * len(MARKS)), len(MARKS) - 1)
    colours = body.colours[:3].ravel() * 2 - 1
    genes = body.emblem[None]
    x, y = place(genes)
    lightness = colour.lightness(body.colours[-1]) * 2 - 1
    emblem = [x[0, 0], y[0, 0], genes[0, 3] * 2 - 1, lightness]
    return np.concatenate([
        body.genes * 2 - 1, body.build, [kind], body.marks[1:] * 2 - 1, colours,
        emblem_kind(genes), emblem,
    ])  # fmt: skip


def style_numbers(style: Style) -> np.ndarray:
    return hand_of(style) * 2 - 1


class Genome(nn.Module):
    def __init__(self, hidden: int, classes: int, genres: int) -> None:
        super().__init__()
        self.shape = _Numbers(hidden, classes, GENES + BUILD)
        self.marks = _Numbers(hidden, len(MARKS), MARK_NUMBERS)
        self.colours = _Numbers(hidden, genres, COLOUR_NUMBERS)
        self.emblems = _Numbers(hidden, classes, EMBLEM_NUMBERS)
        self.mark = nn.Linear(hidden, len(MARKS))
        self.emblem = nn.Linear(hidden, len(EMBLEMS))
        self.hand = _Numbers(hidden, genres, Brush.GENES)

    def forward(
        self, layout: Tensor, texture: Tensor, subject: Tensor, style: Tensor, kind: Tensor,
        genre: Tensor,
    ) -> Tensor:  # fmt: skip
        genes, mark, marks, colours, emblem, emblems = subject.split(
            [GENES + BUILD, 1, MARK_NUMBERS, COLOUR_NUMBERS, 1, EMBLEM_NUMBERS], 1
        )
        which = mark[:, 0].long()
        return (
            self.shape(layout, kind, genes)
            + 0.5 * self.marks(layout, which, marks)
            + self.colours(layout, genre, colours)
            + self.emblems(layout, kind, emblems)
            + 0.5 * F.cross_entropy(self.mark(layout), which)
            + 0.5 * F.cross_entropy(self.emblem(layout), emblem[:, 0].long())
            + self.hand(texture, genre, style)
        )


class _Numbers(nn.Module):
    """Numbers whose meaning depends on a case: one linear head per case, each with spreads."""

    def __init__(self, hidden: int, cases: int, count: int) -> None:
        super().__init__()
        self.count = count
        self.say = nn.Linear(hidden, cases * count)
        self.spread = nn.Parameter(torch.full((cases, count), -1.0))

    def forward(self, hidden: Tensor, case: Tensor, truth: Tensor) -> Tensor:
        rows = torch.arange(len(hidden), device=hidden.device)
        prediction = self.say(hidden).view(len(hidden), -1, self.count)[rows, case]
        spread = self.spread[case]
        return ((prediction - truth) ** 2 * torch.exp(-spread) + spread).mean()
