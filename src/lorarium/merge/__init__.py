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
from lorarium.merge.auto import merge_auto
from lorarium.merge.average import merge_average
from lorarium.merge.b_lora import merge_b_lora
from lorarium.merge.concatenation import merge_cat
from lorarium.merge.dense_breadcrumbs import merge_breadcrumbs
from lorarium.merge.dense_dare import merge_dare_linear, merge_dare_ties
from lorarium.merge.dense_della import merge_della
from lorarium.merge.dense_k_lora import merge_k_lora
from lorarium.merge.dense_prune import merge_prune
from lorarium.merge.dense_ties import merge_ties
from lorarium.merge.inputs import MergeReport, prepare
from lorarium.merge.karcher import merge_karcher
from lorarium.merge.knots import merge_knots
from lorarium.merge.lora_rar import merge_lora_rar
from lorarium.merge.np_lora import merge_np_lora
from lorarium.merge.roles import merge_roles
from lorarium.merge.slerp import merge_slerp
from lorarium.merge.ssr import merge_ssr
from lorarium.merge.sum import merge_sum
from lorarium.merge.svd import merge_svd
from lorarium.merge.ziplora import merge_ziplora

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
