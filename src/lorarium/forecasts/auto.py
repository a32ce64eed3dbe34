"""The way that the forecast expects most of."""

from __future__ import annotations

from lorarium.adapter import Adapter
from lorarium.errors import LorariumError
from lorarium.mergers.inputs import Inputs, prepare
from lorarium.mergers.registry import find_method, method


@method("auto", group="choice", min_inputs=2)
def merge_auto(inputs: Inputs, *, drafts: bool = False) -> Adapter:
    """What the forecast expects most of: a method and weights, which the report names.

    `drafts` lets it draw a few steps of every way first, see `predict_rates`.
    """
    # these run merges, and so need the registry that this file is found by
    from lorarium.forecasts.facts import forecast
    from lorarium.forecasts.rates import in_roles, predict_rates, safest
    from lorarium.mergers import run_method

    adapters, weights, own = inputs.adapters, list(inputs.numbers), {}
    notes = []
    try:
        best = predict_rates(adapters, drafts=drafts)[0]
    except LorariumError as error:
        name = safest(forecast(adapters))
        notes.append(f"auto chose {name} by facts of the weights: {error.what}")
    else:
        name, (subject, style) = best.setting.method, best.setting.weights
        turned = in_roles(adapters)[0] is not adapters[0]
        factors = (style, subject) if turned else (subject, style)
        weights = [factor * weight for factor, weight in zip(factors, weights, strict=True)]
        notes.append(f"auto chose {best.setting.name}: {best.both:.2f} are to show both")
        if name == "roles":
            own["roles"] = ["style", "subject"] if turned else ["subject", "style"]
    chosen = find_method(name)
    again = prepare(chosen, adapters, weights, inputs.shared)
    merged, report = run_method(chosen, again, own)
    vars(inputs.report).update(vars(report))
    inputs.report.notes = [*notes, *report.notes]
    return merged
