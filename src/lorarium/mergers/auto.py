"""The way that the forecast expects most of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lorarium.adapter import Adapter
from lorarium.errors import LorariumError
from lorarium.mergers.inputs import MergeReport, prepare


def merge_auto(
    adapters: Sequence[Adapter],
    weights: Sequence[float] | None = None,
    *,
    drafts: bool = False,
    report: MergeReport | None = None,
    **shared: Any,
) -> Adapter:
    """What the forecast expects most of: a method and weights, which the report names.

    `drafts` lets it draw a few steps of every way first, see `foretell`.
    """
    # these import the table of methods, which holds this one
    from lorarium.mergers import METHODS
    from lorarium.mergers.forecast import forecast
    from lorarium.mergers.foretold import foretell, in_roles, safest

    report = report or MergeReport()
    # what is wrong is told before anything is forecast
    prepare("auto", adapters, weights, least=2, report=MergeReport(), **shared)
    own = list(weights) if weights is not None else [1.0] * len(adapters)
    try:
        best = foretell(adapters, drafts=drafts)[0]
    except LorariumError as error:
        method, chosen = safest(forecast(adapters)), own
        report.notes.append(f"auto chose {method} by facts of the weights: {error.what}")
    else:
        turned = in_roles(adapters)[0] is not adapters[0]
        ways = best.way.weights[::-1] if turned else best.way.weights
        method, chosen = best.way.method, [w * x for w, x in zip(ways, own, strict=True)]
        report.notes.append(f"auto chose {best.way.name}: {best.both:.2f} are to show both")
        if method == "roles":
            shared = shared | {"roles": ["style", "subject"] if turned else ["subject", "style"]}
    return METHODS[method](adapters, chosen, report=report, **shared)
