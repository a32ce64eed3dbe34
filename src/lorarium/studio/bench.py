"""Merging by hand: the ways to merge that the page offers, and what a merge will do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lorarium import formats
from lorarium.algebra import add
from lorarium.errors import LorariumError
from lorarium.forecasts.facts import forecast
from lorarium.forecasts.rates import predict_rates, safest
from lorarium.formats.dialects import TARGETS
from lorarium.formats.programs import PROGRAMS, ROWS
from lorarium.mergers import METHODS
from lorarium.mergers.blocks import FLUX, UNETS, block_names, block_weights, presets

# the others need a base, prompts, or pictures of their own
ON_THE_BENCH = (
    *("sum", "average", "slerp", "karcher", "ties", "dare-ties", "dare-linear", "della"),
    *("breadcrumbs", "svd", "knots", "np-lora", "roles", "lora-rar", "ssr", "auto"),
)


def merge_methods() -> dict[str, Any]:
    """The ways to merge with their numbers, and what a merge can be written as."""
    offered = []
    for method in METHODS.values():
        if method.name not in ON_THE_BENCH:
            continue
        numbers = {
            name: value
            for name, value in method.options.items()
            if isinstance(value, int | float) and not isinstance(value, bool) and name != "seed"
        }
        offered.append(
            {
                "name": method.name,
                "group": method.group,
                "summary": method.summary,
                "least": method.min_inputs,
                "most": method.max_inputs,
                "numbers": numbers,
            }
        )
    families = (*UNETS, *FLUX)
    weights = {
        family: {preset: block_weights(preset, family) for preset in sorted(presets(family))}
        for family in families
    }
    return {
        "methods": offered,
        "dialects": list(TARGETS),
        "programs": {p: [f for r in ROWS if r.program == p for f in r.families] for p in PROGRAMS},
        "blocks": {family: block_names(family) for family in families},
        "presets": weights,
    }


def forecast_in_words(files: Sequence[Path], weights: Sequence[float]) -> dict[str, Any]:
    """How the files go together at these weights: in numbers, and in sentences."""
    adapters = [formats.read(path) for path in files]
    weighted = [add([a], [w]) for a, w in zip(adapters, weights, strict=True)]
    report = forecast(weighted)
    try:
        expected = [
            {"method": e.setting.method, "weights": list(e.setting.weights),
             "subject": e.subject, "style": e.style, "both": e.both}
            for e in predict_rates(adapters)
        ]  # fmt: skip
        note = ""
    except LorariumError as error:
        expected, note = [], error.what
    return {
        **asdict(report),
        "expected": expected,
        "note": note,
        "choice": expected[0]["method"] if expected else safest(report),
        "sentences": sentences(report.cosines, report.outcomes, [p.stem for p in files]),
    }


def sentences(
    cosines: Sequence[Sequence[float]], outcomes: Sequence[Any], names: Sequence[str]
) -> list[str]:
    """What the plain sum does, for people."""
    words = []
    plain = outcomes[0]
    for name, survives, disturbed in zip(names, plain.survives, plain.disturbed, strict=True):
        much = "hardly disturbed" if disturbed < 0.15 else "somewhat disturbed"
        much = "disturbed as much as it does itself" if disturbed > 0.8 else much
        much = "clearly disturbed" if 0.4 < disturbed <= 0.8 else much
        words.append(f"{name}: {survives:.0%} of it survives a plain sum, {much} ({disturbed:.2f})")
    for i in range(len(names)):
        for j in range(i + 1, len(names)):
            cosine = cosines[i][j]
            if abs(cosine) >= 0.3:
                way = "pull the same way" if cosine > 0 else "pull against each other"
                words.append(f"{names[i]} and {names[j]} {way} ({cosine:+.2f})")
    return words
