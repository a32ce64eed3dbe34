"""Adapters -> Adapter: one method per file, found by name here.

A method is a function `(adapters, weights, **options) -> Adapter`; the first line of its docstring
is what `lorarium merge --methods` says of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from lorarium.adapter import Adapter
from lorarium.errors import LorariumError, did_you_mean, quoted
from lorarium.mergers.auto import merge_auto
from lorarium.mergers.average import merge_average
from lorarium.mergers.b_lora import merge_b_lora
from lorarium.mergers.concatenation import merge_cat
from lorarium.mergers.dense_breadcrumbs import merge_breadcrumbs
from lorarium.mergers.dense_dare import merge_dare_linear, merge_dare_ties
from lorarium.mergers.dense_della import merge_della
from lorarium.mergers.dense_k_lora import merge_k_lora
from lorarium.mergers.dense_prune import merge_prune
from lorarium.mergers.dense_ties import merge_ties
from lorarium.mergers.inputs import MergeReport, prepare
from lorarium.mergers.karcher import merge_karcher
from lorarium.mergers.knots import merge_knots
from lorarium.mergers.lora_rar import merge_lora_rar
from lorarium.mergers.np_lora import merge_np_lora
from lorarium.mergers.roles import merge_roles
from lorarium.mergers.slerp import merge_slerp
from lorarium.mergers.ssr import merge_ssr
from lorarium.mergers.sum import merge_sum
from lorarium.mergers.svd import merge_svd
from lorarium.mergers.ziplora import merge_ziplora

METHODS: dict[str, Callable[..., Adapter]] = {
    "sum": merge_sum,
    "average": merge_average,
    "cat": merge_cat,
    "svd": merge_svd,
    "slerp": merge_slerp,
    "karcher": merge_karcher,
    "ties": merge_ties,
    "dare-linear": merge_dare_linear,
    "dare-ties": merge_dare_ties,
    "prune": merge_prune,
    "della": merge_della,
    "breadcrumbs": merge_breadcrumbs,
    "knots": merge_knots,
    "np-lora": merge_np_lora,
    "k-lora": merge_k_lora,
    "b-lora": merge_b_lora,
    "lora-rar": merge_lora_rar,
    "roles": merge_roles,
    "ssr": merge_ssr,
    "ziplora": merge_ziplora,
    "auto": merge_auto,
}
_OURS = {"adapters", "weights", "method", "own", "least", "most", "meet", "report"}


def merge(
    adapters: Sequence[Adapter],
    weights: Sequence[float] | None = None,
    *,
    method: str = "sum",
    **options: Any,
) -> Adapter:
    """Merge adapters by a named method into one; it has the first one's dialect."""
    return merge_with_report(adapters, weights, method=method, **options)[0]


def merge_with_report(
    adapters: Sequence[Adapter],
    weights: Sequence[float] | None = None,
    *,
    method: str = "sum",
    **options: Any,
) -> tuple[Adapter, MergeReport]:
    """The same, with what was lost, normalised and noticed."""
    if method not in METHODS:
        raise LorariumError(
            f"no merge method {method!r}",
            hint="known: " + ", ".join(METHODS) + did_you_mean(method, METHODS),
        )
    known = options_of(method)
    shared = set(inspect.signature(prepare).parameters) - _OURS
    for name in options:
        if name not in known and name not in shared:
            raise LorariumError(
                f"the method {method!r} has no option {quoted(name)}",
                hint="it has " + ", ".join(sorted([*known, *shared])),
            )
    report = MergeReport()
    return METHODS[method](adapters, weights, **options, report=report), report


def options_of(method: str) -> dict[str, Any]:
    """A method's own options and their defaults."""
    parameters = inspect.signature(METHODS[method]).parameters.values()
    own = (p for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in _OURS)
    return {p.name: p.default for p in own}


def summary(method: str) -> str:
    """One line about a method."""
    return (METHODS[method].__doc__ or "").strip().split("\n")[0]


__all__ = [
    "METHODS",
    "MergeReport",
    "merge",
    "merge_sum",
    "merge_with_report",
    "options_of",
    "summary",
]
