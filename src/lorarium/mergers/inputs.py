"""What all methods share: checked adapters, how much each counts where, and the finished result.

A method is given what `prepare` checked, makes changes module by module (or coefficients for
`combine`), and ends in `finish`, which truncates, reports and stamps.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lorarium.adapter import Adapter, Delta, Module
from lorarium.adopted import lender, trained_file
from lorarium.algebra import add, recompress, rounded
from lorarium.algebra.dtypes import DTypeLike, factor_dtype
from lorarium.algebra.forms import arrays, matrix_shape
from lorarium.errors import LorariumError
from lorarium.mergers.blocks import block_of, block_weights
from lorarium.mergers.checks import (
    check_count,
    check_weights,
    common_family,
    measure_norms,
    same_adapter,
)
from lorarium.mergers.provenance import stamp
from lorarium.mergers.registry import Method
from lorarium.mergers.report import MergeReport

Blocks = str | Mapping[str, float]
Weight = float | Callable[[Module], float]

LONGEST_NAME = 300  # letters that a pattern sees; a search may take their cube, and none is longer


class Term(NamedTuple):
    """One adapter's change of a module, and its weight there."""

    owner: int
    delta: Delta
    weight: float


@dataclass(frozen=True)
class MergeOptions:
    """What every method understands.

    `blocks` and `patterns` (regular expression -> factor, searched in `part:path`) hold for all
    adapters, or are one per adapter; `only` leaves out every module it does not match. With
    `normalize` all adapters are scaled to the geometric mean of their norms over the modules that
    all have. `rank` truncates the result, or is "full" to allow full matrices.
    """

    blocks: Blocks | Sequence[Blocks | None] | None = None
    patterns: Mapping[str, float] | Sequence[Mapping[str, float] | None] | None = None
    only: str | None = None
    normalize: bool = False
    rank: int | str | None = None
    dtype: DTypeLike = None


@dataclass(frozen=True, eq=False)
class Inputs:
    """Adapters of one family, weights by module, and what is asked of the result."""

    method: str
    adapters: tuple[Adapter, ...]
    numbers: tuple[float, ...]
    rules: tuple[Weight, ...]  # the numbers with blocks, patterns and normalisation
    family: str
    rank: int | str | None
    dtype: DTypeLike
    shared: MergeOptions
    options: dict[str, Any]  # for the header
    report: MergeReport

    def record(self, **options: Any) -> None:
        """Options of the method's own, as they go into the header."""
        self.options.update(options)

    def weight(self, index: int, module: Module) -> float:
        rule = self.rules[index]
        return float(rule(module) if callable(rule) else rule)

    @cached_property
    def modules(self) -> dict[Module, list[Term]]:
        """Each module that counts, with the adapters that change it."""
        terms_of: dict[Module, list[Term]] = {}
        for module in sorted({m for adapter in self.adapters for m in adapter}):
            terms = [
                Term(k, adapter.deltas[module], weight)
                for k, adapter in enumerate(self.adapters)
                if module in adapter.deltas and (weight := self.weight(k, module))
            ]
            shapes = {matrix_shape(term.delta) for term in terms}
            if len(shapes) > 1:
                raise LorariumError(
                    "shapes differ: " + " and ".join(map(str, sorted(shapes))),
                    where=str(module),
                    hint="are all of them for the same base model?",
                )
            if terms:
                terms_of[module] = terms
        if not terms_of and any(adapter.deltas for adapter in self.adapters):
            raise LorariumError("no module is left", hint="all weights are 0, or nothing matches")
        return terms_of

    def weighted(self, index: int) -> Adapter:
        """One adapter with its weight in its scales; modules of weight 0 are left out."""
        alone = self.adapters[index].with_(opaque={})
        return alone.with_(deltas=add([alone], [self.rules[index]]).deltas)

    def stored(self, module: Module) -> np.dtype:
        """The number type of what is computed: the one asked for, or the widest of the inputs."""
        if self.dtype is not None:
            return np.dtype(self.dtype)
        return factor_dtype(
            array.dtype
            for adapter in self.adapters
            if module in adapter.deltas
            for array in arrays(adapter.deltas[module])
        )

    def note(self, text: str) -> None:
        self.report.notes.append(text)


def prepare(
    method: Method,
    adapters: Sequence[Adapter],
    weights: Sequence[float] | None = None,
    shared: MergeOptions | None = None,
    report: MergeReport | None = None,
) -> Inputs:
    """Check what every method is given, and what this one needs."""
    shared = shared or MergeOptions()
    report = MergeReport() if report is None else report
    check_count(method, len(adapters))
    numbers = check_weights(weights, len(adapters))
    family = common_family(adapters)
    rank = shared.rank
    if rank is not None and rank != "full" and (not isinstance(rank, int) or rank < 1):
        raise LorariumError(f"rank {rank!r} is neither a whole number above 0 nor 'full'")
    measure_norms(adapters, shared.normalize, report)
    factors = report.factors or (1.0,) * len(adapters)
    rules = tuple(
        _rule(number * factor, spec, pattern, shared.only, family)
        for number, factor, spec, pattern in zip(
            numbers,
            factors,
            _each(shared.blocks, numbers),
            _each(shared.patterns, numbers),
            strict=True,
        )
    )
    options = {
        "weights": numbers,
        "blocks": shared.blocks,
        "patterns": shared.patterns,
        "only": shared.only,
        "normalize": list(report.factors) or None,
        "rank": rank,
        "dtype": None if shared.dtype is None else np.dtype(shared.dtype).name,
    }
    inputs = Inputs(
        method.name, tuple(adapters), tuple(numbers), rules, family, rank, shared.dtype, shared,
        options, report,
    )  # fmt: skip
    if len(adapters) > 1 and method.require_shared:
        if not any(sum(m in a.deltas for a in adapters) > 1 for m in inputs.modules):
            parts = " and ".join(sorted({"+".join(a.parts()) for a in adapters}))
            raise LorariumError(
                f"no module is changed by two of these adapters (they change {parts})",
                hint="the method 'sum' puts them side by side",
            )
    return inputs


@contextmanager
def module_errors(module: Module) -> Iterator[None]:
    """An error in here is one of this module."""
    try:
        yield
    except LorariumError as error:
        raise LorariumError(error.what, where=str(module), hint=error.hint) from None


def combine(
    inputs: Inputs,
    coefficients: Sequence[Weight] | None = None,
    adapters: Sequence[Adapter] | None = None,
) -> Adapter:
    """The exact sum: of the adapters or of what they became, at their weights or at others."""
    total = add(
        inputs.adapters if adapters is None else adapters,
        inputs.rules if coefficients is None else coefficients,
        dense=inputs.rank is not None,
        dtype=None if isinstance(inputs.rank, int) else inputs.dtype,
    )
    return finish(inputs, total)


def by_module(table: Mapping[Module, Sequence[float]], count: int) -> list[Weight]:
    """Coefficients as `combine` takes them, from a row of them for each module; 0 elsewhere."""

    def column(k: int) -> Weight:
        return lambda module: float(table[module][k]) if module in table else 0.0

    return [column(k) for k in range(count)]


def with_deltas(inputs: Inputs, deltas: Mapping[Module, Delta]) -> Adapter:
    """New changes as an adapter, with the tensors beside them that can be carried."""
    empty = [adapter.with_(deltas={}) for adapter in inputs.adapters]
    return add(empty, inputs.rules).with_(deltas=deltas)


def finish(inputs: Inputs, total: Adapter) -> Adapter:
    """Truncate to the rank that was asked for, unless that is done, and stamp."""
    if not total.deltas and any(adapter.deltas for adapter in inputs.adapters):
        raise LorariumError("no module is left", hint="all weights are 0, or nothing matches")
    if isinstance(inputs.rank, int) and inputs.report.truncation is None:
        stored = {module: inputs.stored(module) for module in total}
        wide = {m: np.float32 if t.itemsize == 2 and inputs.dtype is None else t
                for m, t in stored.items()}  # fmt: skip
        total, inputs.report.truncation = recompress(total, rank=inputs.rank, dtype=wide)
        if wide != stored:
            total, inputs.report.rounding = rounded(total, stored)
    named = total.with_(family=inputs.family, dialect=inputs.adapters[0].dialect)
    return stamp(named, inputs.adapters, inputs.method, inputs.options)


def two_different(inputs: Inputs, first: str = "subject", second: str = "style") -> None:
    """Refuse one adapter in both roles of a method that tells them apart."""
    a, b = inputs.adapters[0], inputs.adapters[-1]
    if same_adapter(a, b, inputs.report.norms[0], inputs.report.norms[-1]):
        raise LorariumError(
            f"{first} and {second} are the same adapter",
            hint=f"give the {first} first and another file as the {second}",
        )


def trained_network(inputs: Inputs, shipped: Path) -> Path:
    """The network that was learned on the adapters' base, or is borrowed for it."""
    path = trained_file(shipped, inputs.family, _base_hashes(inputs))
    if path is None:
        raise LorariumError(
            f"the method {inputs.method!r} needs a network that was trained on this base",
            hint="make one with `lorarium adopt`, name its file with --option network=FILE, or use "
            "np-lora, which needs none",
        )
    if (base := lender()) is not None:
        inputs.note(f"the network is borrowed: it was learned on {base.name}")
    return path


def check_base(inputs: Inputs, known: str | None) -> None:
    """Refuse adapters of another base than a network was learned on, unless it is borrowed."""
    for k, own in enumerate(_base_hashes(inputs)):
        if known and own and own != known and lender() is None:
            raise LorariumError(
                f"adapter {k + 1} was trained on base {own[:12]}, the network for {known[:12]}",
                hint="use np-lora, which needs no network",
            )


def _base_hashes(inputs: Inputs) -> list[str | None]:
    return [adapter.metadata.get("lorarium.base_hash") for adapter in inputs.adapters]


def _each(given: Any, numbers: list[float]) -> list[Any]:
    """One entry per adapter, from one for all or a list."""
    if given is None or isinstance(given, str | Mapping):
        return [given] * len(numbers)
    if len(given) != len(numbers):
        raise LorariumError(f"{len(given)} block or pattern entries for {len(numbers)} adapters")
    return list(given)


def _rule(
    number: float,
    blocks: Blocks | None,
    patterns: Mapping[str, float] | None,
    only: str | None,
    family: str,
) -> Weight:
    """The weight of one adapter by module, or its number when that is all."""
    if blocks is None and not patterns and only is None:
        return number
    by_block = None if blocks is None else block_weights(blocks, family)
    factors = [(compiled(text), float(factor)) for text, factor in (patterns or {}).items()]
    keep = None if only is None else compiled(only)

    def weight(module: Module) -> float:
        name = str(module)[:LONGEST_NAME]
        if keep is not None and not keep.search(name):
            return 0.0
        value = number
        if by_block is not None:
            value *= by_block.get(block_of(module, family), 1.0)
        return value * math.prod(factor for pattern, factor in factors if pattern.search(name))

    return weight


def compiled(text: str) -> re.Pattern[str]:
    """A regular expression from a person, or one line that says why it is none."""
    try:
        return re.compile(text)
    except re.error as error:
        raise LorariumError(f"{text!r} is not a regular expression: {error}") from None
