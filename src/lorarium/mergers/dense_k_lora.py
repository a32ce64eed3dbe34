"""K-LoRA (Ouyang et al. 2025, arXiv 2502.18461): per layer and sampling step, one of two LoRAs.

A layer is the subject's while the sum of its k largest |ΔW| entries, over γ, is above the style's
times α p + β, where p runs from 0 to 1 over the steps and γ is the mean ratio of Σ|ΔW| over all
layers. As the style only gains, each layer changes hands once: that is a schedule for `render`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lorarium.adapter import Adapter, Delta, Module
from lorarium.algebra.forms import matrix_form, row_blocks, rows
from lorarium.errors import LorariumError
from lorarium.formats.target import check_target, write_atomically
from lorarium.mergers.inputs import (
    Inputs,
    MergeOptions,
    by_module,
    combine,
    module_errors,
    prepare,
    two_different,
)
from lorarium.mergers.options import number, require_int
from lorarium.mergers.registry import find_method, method

STATIC = "static: each layer mixes its two LoRAs by their shares of the sampling steps"


@method("k-lora", group="subject and style", min_inputs=2, max_inputs=2)
def merge_k_lora(
    inputs: Inputs,
    *,
    schedule: str | Path | None = None,
    alpha: float = 1.5,
    beta: float = 0.5,
    k: int = 0,
    force: bool = False,
) -> Adapter:
    """Per layer and step the subject or the style; in one file a static approximation of it.

    The file cannot change while sampling, so it holds each layer's two LoRAs by the shares of the
    steps that they win. `schedule` names a file to write the choice itself to, for
    `lorarium render --lora SUBJECT --lora STYLE --schedule FILE`. `k` 0 stands for the product of
    the two ranks.
    """
    if schedule is not None:
        check_target(schedule, force=force, suffixes=(".json",))
    inputs.record(alpha=alpha, beta=beta, k=k)
    turns = _turns(inputs, alpha, beta, k)
    inputs.note(
        "the file is a static approximation of K-LoRA: render its two inputs with a schedule for "
        "the method itself" + ("" if schedule else " (option schedule=FILE writes one)")
    )
    table = {
        module: [inputs.weight(i, module) * _share(turns.get(module), i) for i in range(2)]
        for module in inputs.modules
    }
    merged = combine(inputs, by_module(table, 2))
    if schedule is not None:
        text = json.dumps(_rules(inputs, turns), indent=1) + "\n"
        write_atomically(schedule, [text.encode()], force=force)
    return merged.with_(metadata={**merged.metadata, "lorarium.approximation": STATIC})


def k_lora_schedule(
    adapters: Sequence[Adapter],
    weights: Sequence[float] | None = None,
    *,
    alpha: float = 1.5,
    beta: float = 0.5,
    k: int = 0,
    **shared: Any,
) -> list[dict[str, Any]]:
    """The choice as rules of a schedule, for a render with both adapters at these weights."""
    inputs = prepare(find_method("k-lora"), adapters, weights, MergeOptions(**shared))
    return _rules(inputs, _turns(inputs, alpha, beta, k))


def _turns(inputs: Inputs, alpha: float, beta: float, k: int) -> dict[Module, float]:
    """The share of the steps after which each shared layer is the style's."""
    alpha, beta = number("alpha", alpha, 0, 100), number("beta", beta, 0, 100)
    k = require_int("k", k, 0)
    two_different(inputs)
    tops: dict[Module, list[float]] = {}
    ratios = []
    for module, terms in inputs.modules.items():
        if len(terms) < 2 or len(terms[0].delta.shape) < 2:
            continue
        count = k or _rank(terms[0].delta) * _rank(terms[1].delta)
        with module_errors(module):
            sums = [_top(term.delta, count, term.weight) for term in terms]
        tops[module] = [top for top, _ in sums]
        if sums[1][1]:
            ratios.append(sums[0][1] / sums[1][1])
    if not ratios or not sum(ratios):
        raise LorariumError("one of the adapters changes nothing", hint="give two that do")
    gamma = sum(ratios) / len(ratios)
    return {module: _turn(a / gamma, b, alpha, beta) for module, (a, b) in tops.items()}


def _turn(subject: float, style: float, alpha: float, beta: float) -> float:
    """Where subject = style (alpha p + beta), kept in [0, 1]."""
    if not style or not alpha:
        return float(subject > style * beta)
    return min(1.0, max(0.0, (subject / style - beta) / alpha))


def _top(delta: Delta, count: int, weight: float) -> tuple[float, float]:
    """Sum of the `count` largest |entries| and of all, a block of rows of ΔW at a time."""
    form = matrix_form(delta)
    best, total = np.zeros(0, np.float32), 0.0
    for block in row_blocks(form):
        size = np.abs(rows(form, *block)).reshape(-1)
        total += float(size.sum(dtype=np.float64))
        best = np.concatenate([best, size])
        if len(best) > count:
            best = np.partition(best, len(best) - count)[len(best) - count :]
    scale = abs(form.scale * weight)
    return scale * float(best.sum(dtype=np.float64)), scale * total


def _rank(delta: Delta) -> int:
    return delta.rank or min(delta.shape[:2])


def _share(turn: float | None, index: int) -> float:
    if turn is None:  # a layer of one of them, or a vector
        return 1.0
    return turn if index == 0 else 1.0 - turn


def _rules(inputs: Inputs, turns: Mapping[Module, float]) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = []
    for k, adapter in enumerate(inputs.adapters):
        given = inputs.numbers[k]
        for module in adapter:
            place = {"lora": k, "part": module.part, "block": module.path}
            weight = inputs.weight(k, module)
            if weight != given:  # blocks, patterns and normalisation
                rules.append({**place, "weight": weight / given})
            turn = turns.get(module, 0.0 if k else 1.0)
            start, end = (0.0, turn) if k else (turn, 1.0)
            if start < end:
                rules.append({**place, "start": start, "end": end, "weight": 0.0})
    return rules
