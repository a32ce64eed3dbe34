"""How merges of a subject and a style will pass, foretold from the weights alone.

Rates of each way to merge are linear in facts of the pair (norms, cosine, what survives and what is
disturbed) and in what the learned descriptor sees of either; learned on judged merges, see
`lorarium.recipes.forecast`. They hold for the base that the merges were drawn on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lorarium import trained
from lorarium.adapter import Adapter, Array
from lorarium.adopted import adopted_bases, lender, trained_file
from lorarium.descriptors.learned import aligned
from lorarium.errors import LorariumError, need_packages
from lorarium.forecasts.facts import Forecast, forecast
from lorarium.trained import FileKind

ASSET = trained.asset("forecast")  # of micro-1
DRAFTED = trained.asset("forecast-drafts")  # of what drafts say besides
KIND = FileKind("forecast", "lorarium.recipes forecast", prefix="lorarium.")
ROLES = ("subject", "style")
ASKED = ("subject", "style", "both")


@dataclass(frozen=True)
class MergeSetting:
    """A method and the weights of subject and style."""

    method: str
    weights: tuple[float, float]

    @property
    def name(self) -> str:
        at = "" if self.weights == (1.0, 1.0) else " at {:g} and {:g}".format(*self.weights)
        return self.method + at


SETTINGS = (
    MergeSetting("roles", (1.0, 1.0)),
    MergeSetting("roles", (1.25, 1.0)),
    MergeSetting("roles", (1.5, 1.0)),
    MergeSetting("roles", (1.0, 1.25)),
    MergeSetting("roles", (0.75, 1.0)),
)


@dataclass(frozen=True)
class PassRates:
    """Shares of pictures that will show the subject, the style, and both."""

    setting: MergeSetting
    subject: float
    style: float
    both: float


@dataclass(frozen=True, eq=False)
class RatePredictor:
    """`axes` of each role project what the descriptor sees; `weights` (ways * 3, features + 1)."""

    tensors: Mapping[str, Array]
    card: Mapping[str, Any] = field(default_factory=dict)

    def rates(self, pairs: Array, seen: tuple[Array, Array]) -> Array:
        """Of facts (n, f) and descriptors of either (n, d): (n, ways, 3)."""
        t = self.tensors
        parts = [pairs, *(s @ t[f"axes.{r}"].T for r, s in zip(ROLES, seen, strict=True))]
        x = (np.concatenate(parts, 1) - t["mean"]) / t["scale"]
        values = x @ t["weights"][:, :-1].T + t["weights"][:, -1]
        rates: Array = np.clip(values, 0, 1).reshape(len(x), -1, len(ASKED))
        # a picture of both is one of either, which three lines learned apart do not know
        rates[..., 2] = rates.min(-1)
        return rates


def facts_of(report: Forecast) -> list[float]:
    """Of a pair, by the plain sum and by `roles`: all that norms and overlaps say."""
    facts = [*map(math.log, report.norms), report.cosines[0][1]]
    for outcome in report.outcomes:
        if outcome.method in ("sum", "roles"):
            facts += [*outcome.survives, *outcome.disturbed]
    return facts


def in_roles(adapters: Sequence[Adapter]) -> list[Adapter]:
    """The subject, then the style, where the files say which is which; else as they come."""
    kinds = [a.metadata.get("lorarium.kind_of") for a in adapters]
    return list(reversed(adapters)) if kinds == ["style", "subject"] else list(adapters)


def predict_rates(
    adapters: Sequence[Adapter], foreteller: RatePredictor | None = None, *, drafts: bool = False
) -> list[PassRates]:
    """What to expect of each way of merging a subject and a style, the best first; refused with a
    reason for what nothing was learned about. From the weights alone, or with `drafts` that the
    base draws in a second.

    >>> predict_rates([cat, ink])[0].both
    """
    if len(adapters) != 2:
        raise LorariumError("rates are foretold for pairs of a subject and a style only")
    pair = in_roles(adapters)
    net = foreteller or _predictor(pair, DRAFTED if drafts else ASSET)
    hashes = [a.metadata.get("lorarium.base_hash") for a in pair]
    if lender() is None and any(h != net.card.get("base_hash") for h in hashes):
        raise LorariumError("rates are foretold for adapters of the embedded base only")
    report = forecast(pair, methods=("sum", "roles"))
    if report.left_out:
        raise LorariumError(f"no rates are foretold: {next(iter(report.left_out.values()))}")
    facts = facts_of(report)
    if drafts:
        need_packages("drawing drafts", ("torch",), "torch")
        from lorarium.bases.base import open_base
        from lorarium.forecasts.drafts import PreviewFeatures  # needs torch

        facts += PreviewFeatures(open_base(_where(net)), SETTINGS).facts(*pair)
    subject, style = (aligned(a)[None] for a in pair)
    (rates,) = net.rates(np.array([facts], np.float32), (subject, style))
    expected = [
        PassRates(setting, *map(float, row.round(3)))
        for setting, row in zip(SETTINGS, rates, strict=True)
    ]
    return sorted(expected, key=lambda e: -e.both)


def _where(net: RatePredictor) -> str | None:
    """The base that a forecast was learned on; None for the one that ships."""
    known = {base.base_hash: str(base.card["where"]) for base in adopted_bases()}
    return known.get(str(net.card.get("base_hash")))


def safest(report: Forecast) -> str:
    """By facts alone: the method that leaves most of whichever adapter it leaves least of."""

    def left(k: int) -> float:
        one = report.outcomes[k]
        return min(s - d for s, d in zip(one.survives, one.disturbed, strict=True))

    return report.outcomes[max(range(len(report.outcomes)), key=left)].method


def _predictor(pair: Sequence[Adapter], ships: Path) -> RatePredictor:
    """The forecast for the base of a pair."""
    hashes = [a.metadata.get("lorarium.base_hash") for a in pair]
    path = trained_file(ships, pair[0].family, hashes)
    if path is None:
        raise LorariumError(
            "rates are foretold for adapters of bases that were adopted",
            hint="adopt theirs: lorarium adopt BASE",
        )
    return trained.read_once(load_predictor, path)


def load_predictor(path: Path) -> RatePredictor:
    file = trained.load(path, KIND)
    with trained.fitting(path):
        tensors = file.floats()
        if len(tensors["weights"]) != len(SETTINGS) * len(ASKED):
            raise ValueError("weights")
    return RatePredictor(tensors, file.card)
