"""What a merge will do to its inputs, told from the weights alone.

Of adapter k, V_k is the row space: the inputs of a layer that it answers to. On them a merge M does
M V_k V_kᵀ where ΔW_k stood alone. So of k there survives <M, ΔW_k> / ‖ΔW_k‖², and it is disturbed
by ‖(M - ΔW_k) V_k‖ / ‖ΔW_k‖: 0 as if it were alone, 1 when others do as much there as it does.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lorarium.adapter import Adapter, Array, Module
from lorarium.algebra import basis, factors_of, inner_by_module
from lorarium.errors import LorariumError, one_line, plain
from lorarium.formats import read
from lorarium.mergers import merge
from lorarium.mergers.blocks import block_of
from lorarium.notebook import html_table

# methods that need the files alone; those whose network does not fit are left out
METHODS_TRIED = ("sum", "average", "np-lora", "lora-rar", "roles")
MOST_ADAPTERS = 16
SHOWN_BLOCKS = 6


@dataclass(frozen=True)
class Block:
    """`energy` of each adapter inside (shares of its own), and how much the plain sum disturbs
    each."""

    name: str
    energy: tuple[float, ...]
    disturbed: tuple[float, ...]


@dataclass(frozen=True)
class Outcome:
    """Of each adapter, how much survives a method and how much it is disturbed."""

    method: str
    survives: tuple[float, ...]
    disturbed: tuple[float, ...]


@dataclass(frozen=True, repr=False)
class Forecast:
    family: str
    norms: tuple[float, ...]
    cosines: tuple[tuple[float, ...], ...]  # between any two
    shared: int  # modules that all of them change
    blocks: tuple[Block, ...]
    outcomes: tuple[Outcome, ...]
    left_out: Mapping[str, str]  # method -> why

    def __repr__(self) -> str:
        return "\n".join(forecast_lines(self, [""] * len(self.norms)))

    def _repr_html_(self) -> str:
        head = ["method"]
        for k in range(len(self.norms)):
            head += [f"{k + 1} survives", "disturbed"]
        rows = [
            [
                o.method,
                *(f"{v:.2f}" for pair in zip(o.survives, o.disturbed, strict=True) for v in pair),
            ]
            for o in self.outcomes
        ]
        return html_table(rows, head)


def forecast(
    inputs: Sequence[Adapter | str | os.PathLike[str]], *, methods: Sequence[str] = METHODS_TRIED
) -> Forecast:
    """Facts about a merge of two adapters (or files) or more, none of which is drawn with.

    >>> lo.forecast(["cat.safetensors", "ink.safetensors"]).outcomes[0].disturbed
    (0.31, 0.44)
    """
    adapters = [a if isinstance(a, Adapter) else read(a) for a in inputs]
    if not 2 <= len(adapters) <= MOST_ADAPTERS:
        raise LorariumError(
            f"a forecast for {len(adapters)} adapters", hint=f"name 2 to {MOST_ADAPTERS} of them"
        )
    plain = merge(adapters, method="sum")
    merges = {"sum": plain}
    left_out = {}
    for method in methods[1:]:
        try:
            merges[method] = merge(adapters, method=method)
        except LorariumError as error:
            left_out[method] = error.what
    squares = [inner_by_module(a, a) for a in adapters]
    totals = [math.fsum(square.values()) for square in squares]
    if not all(totals):
        what = f"adapter {totals.index(0.0) + 1} changes nothing"
        raise LorariumError(what, hint="leave it out")
    hurt = {name: [_hurt(merged, a) for a in adapters] for name, merged in merges.items()}
    outcomes = [
        Outcome(
            name,
            tuple(round(_inner(merged, a) / t, 4) for a, t in zip(adapters, totals, strict=True)),
            tuple(_share(h.values(), t) for h, t in zip(hurt[name], totals, strict=True)),
        )
        for name, merged in merges.items()
    ]
    cosines = tuple(
        tuple(
            round(_inner(a, b) / math.sqrt(s * t), 4) for b, t in zip(adapters, totals, strict=True)
        )
        for a, s in zip(adapters, totals, strict=True)
    )
    return Forecast(
        plain.family,
        tuple(math.sqrt(t) for t in totals),
        cosines,
        len(set.intersection(*(set(a) for a in adapters))),
        tuple(_blocks(plain.family, squares, totals, hurt["sum"])),
        tuple(outcomes),
        left_out,
    )


def _inner(a: Adapter, b: Adapter) -> float:
    return math.fsum(inner_by_module(a, b).values())


def _hurt(merged: Adapter, own: Adapter) -> dict[Module, float]:
    """‖(M - ΔW) V‖² of each module of an adapter."""
    squares = {}
    for module, delta in own.items():
        if len(delta.shape) < 2 or module not in merged:
            continue
        V = np.asarray(basis(delta, "in", dense=True), np.float32)
        difference = _through(merged.deltas[module], V) - _through(delta, V)
        squares[module] = float(np.square(difference).sum(dtype=np.float64))
    return squares


def _through(delta: Any, V: Array) -> Array:
    B, A = factors_of(delta, np.float32)
    return np.asarray(B @ (A @ V))


def _blocks(
    family: str,
    squares: Sequence[Mapping[Module, float]],
    totals: Sequence[float],
    hurt: Sequence[Mapping[Module, float]],
) -> list[Block]:
    names = {m: _block(m, family) for s in squares for m in s}
    blocks = []
    for name in dict.fromkeys(names[m] for m in sorted(names)):
        inside = [math.fsum(v for m, v in s.items() if names[m] == name) for s in squares]
        lost = [[v for m, v in h.items() if names[m] == name] for h in hurt]
        energy = tuple(round(i / t, 4) for i, t in zip(inside, totals, strict=True))
        shares = tuple(_share(h, i) for h, i in zip(lost, inside, strict=True))
        blocks.append(Block(name, energy, shares))
    return blocks


def _block(module: Module, family: str) -> str:
    """As users of block weights name it; by its number where a family has no such names."""
    if module.part != "denoiser":
        return module.part
    try:
        return block_of(module, family)
    except LorariumError:
        steps = module.path.split(".")
        return ".".join(steps[:2]) if len(steps) > 1 and steps[1].isdigit() else steps[0]


def _share(squares: Iterable[float], of: float) -> float:
    return round(math.sqrt(math.fsum(squares) / of), 4) if of else 0.0


def forecast_lines(report: Forecast, names: Sequence[str]) -> list[str]:
    """The forecast as a small table, with the names of the adapters."""
    lines = []
    for k, (name, norm) in enumerate(zip(names, report.norms, strict=True)):
        named = f"{one_line(name)}, " if name else ""
        lines.append(f"{k + 1}  {named}norm {norm:.3g}")
    pairs = [
        f"{i + 1} and {j + 1} {report.cosines[i][j]:+.2f}"
        for i in range(len(names)) for j in range(i + 1, len(names))
    ]  # fmt: skip
    lines.append(f"{report.shared} modules are changed by all; cosines: {', '.join(pairs)}")
    head = "".join(f"{f'{k + 1} survives':>12}{'disturbed':>11}" for k in range(len(names)))
    lines += ["", f"{'method':10}{head}"]
    for outcome in report.outcomes:
        shares = zip(outcome.survives, outcome.disturbed, strict=True)
        lines.append(f"{outcome.method:10}" + "".join(f"{s:12.2f}{d:11.2f}" for s, d in shares))
    lines += [f"{method:10}left out: {plain(why)}" for method, why in report.left_out.items()]
    worst = sorted(report.blocks, key=lambda b: -max(b.disturbed))[:SHOWN_BLOCKS]
    lines += ["", f"{'where the sum collides most':30}{'disturbed':>{11 * len(names)}}"]
    for block in worst:
        values = "".join(f"{d:11.2f}" for d in block.disturbed)
        lines.append(f"{plain(block.name)[:29]:30}{values}")
    return lines
