"""MARS² (LoRA.rar, Shenaj et al. 2025) as the paper counts it, and how far judges agree.

A picture shows the subject when more than half of its references say yes, the style likewise; a
scenario's score is the share of its pictures, the whole score the mean over scenarios. The paper's
code reports subject and style apart, its page counts the pictures that pass both: all three here.
A question without an answer is among the references, and no yes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lorarium.errors import LorariumError, missing_extra
from lorarium.evaluation.judging.comparison import Array, Aspect, Comparison, majority
from lorarium.evaluation.statistics import Interval, two_way_bootstrap

BOTH = "both"
NAMED = 0.2  # share of strangers accepted from which on a judge is named


def mars2(comparisons: Mapping[Aspect, Comparison], scenarios: Array) -> dict[str, float]:
    """Share of pictures that pass, by aspect and both; `scenarios` (n,) says whose each is."""
    verdicts = {str(aspect): majority(c.verdicts[0]) for aspect, c in comparisons.items()}
    if len(verdicts) > 1:
        verdicts[BOTH] = np.logical_and.reduce(list(verdicts.values()))
    names = np.unique(scenarios)
    return {
        key: float(np.mean([passes[scenarios == name].mean() for name in names]))
        for key, passes in verdicts.items()
    }


def mars2_points(grades: Mapping[Aspect, Array], scenarios: Array) -> dict[str, float]:
    """The 0-100 variant: the mean over references, pictures and scenarios of grades in [0, 1]."""
    names = np.unique(scenarios)
    means = {
        str(aspect): 100 * float(np.mean([values[scenarios == name].mean() for name in names]))
        for aspect, values in grades.items()
    }
    return means if len(means) < 2 else {**means, BOTH: float(np.mean(list(means.values())))}


def with_interval(passes: Array, *, seed: int = 0) -> Interval:
    """Mean of verdicts (subjects, styles, pictures), both axes drawn anew."""
    return two_way_bootstrap(passes.astype(float), seed=seed)


def accepts_strangers(passes: Array | None) -> bool:
    """Whether a judge says yes to strangers so often that its yes says little."""
    return passes is not None and len(passes) > 0 and float(passes.mean()) > NAMED


def kappa(a: Sequence[bool] | Array, b: Sequence[bool] | Array) -> float | None:
    """Cohen's kappa of two judges' (or a judge's and a voter's) verdicts on the same pictures;
    None where neither ever varies, since chance then explains all."""
    first, second = np.asarray(a, bool), np.asarray(b, bool)
    if first.shape != second.shape:
        raise LorariumError(f"{len(first)} verdicts beside {len(second)}", where="kappa")
    if len(first) == 0 or (len(set(first)) == 1 and set(first) == set(second)):
        return None
    try:
        from sklearn.metrics import cohen_kappa_score
    except ImportError:
        raise missing_extra("agreement between judges needs scikit-learn", "library") from None
    return float(cohen_kappa_score(first, second))


def agreement(verdicts: Mapping[str, Array]) -> list[dict[str, Any]]:
    """Kappa of each pair of judges that have verdicts."""
    names = list(verdicts)
    return [
        {"judges": [a, b], "kappa": kappa(verdicts[a], verdicts[b]), "pictures": len(verdicts[a])}
        for i, a in enumerate(names)
        for b in names[i + 1 :]
    ]
