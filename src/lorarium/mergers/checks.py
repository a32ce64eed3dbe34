"""What every merge refuses and notices of its adapters, before a method sees them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lorarium.adapter import Adapter
from lorarium.algebra import drop_magnitude, fingerprint, inner_by_module
from lorarium.algebra.inner import exact_sum
from lorarium.errors import LorariumError
from lorarium.mergers.registry import Method
from lorarium.mergers.report import MergeReport

LARGEST_WEIGHT = 1000.0
FAR_APART = 10.0  # ratio of norms from which a person is told


def check_count(method: Method, count: int) -> None:
    if not count:
        raise LorariumError("nothing to merge", hint="name at least one adapter")
    if count < method.min_inputs:
        raise LorariumError(
            f"the method {method.name!r} needs {method.min_inputs} adapters, not {count}",
            hint="name another",
        )
    if method.max_inputs is not None and count > method.max_inputs:
        raise LorariumError(
            f"the method {method.name!r} takes {method.max_inputs} adapters, not {count}",
            hint="merge them two by two, or use another method",
        )


def check_weights(weights: Sequence[float] | None, count: int) -> list[float]:
    numbers = [1.0] * count if weights is None else [float(w) for w in weights]
    if len(numbers) != count:
        raise LorariumError(f"{len(numbers)} weights for {count} adapters", hint="give one each")
    for number in numbers:
        if not math.isfinite(number):
            raise LorariumError(f"a weight of {number}", hint="weights are finite numbers")
        if abs(number) > LARGEST_WEIGHT:
            raise LorariumError(
                f"a weight of {number:g} is out of range",
                hint=f"use -{LARGEST_WEIGHT:g} to {LARGEST_WEIGHT:g}, or --normalize when the "
                "adapters differ in strength",
            )
    return numbers


def common_family(adapters: Sequence[Adapter]) -> str:
    known = list(dict.fromkeys(a.family for a in adapters))
    if len(known) > 1:
        raise LorariumError(
            "these adapters are for different base models: " + ", ".join(known),
            hint="merge only adapters of one family",
        )
    if known == ["unknown"] and not all(_akin(adapters[0], other) for other in adapters[1:]):
        raise LorariumError(
            "these adapters are for different base models, none of which is known",
            hint="merge only adapters with the same modules",
        )
    return known[0] if known else "unknown"


def _akin(a: Adapter, b: Adapter) -> bool:
    """Without a table, one base means a module in common in each network that both change."""
    both = a.parts().keys() & b.parts().keys()
    return both <= {module.part for module in a if module in b.deltas}


def measure_norms(adapters: Sequence[Adapter], normalize: bool, report: MergeReport) -> None:
    """Norms over the modules that all have, and the factors that make them equal if asked for."""
    plain = [drop_magnitude(adapter) for adapter in adapters]
    squares = [inner_by_module(adapter, adapter) for adapter in plain]
    for k, square in enumerate(squares):
        for module, value in square.items():
            if not math.isfinite(value):
                raise LorariumError(
                    "NaN or infinite values",
                    where=f"adapter {k + 1}, {module}",
                    hint="see `lorarium inspect`; leave this file out",
                )
    shared = set.intersection(*map(set, squares)) or {m for s in squares for m in s}
    norms = [math.sqrt(exact_sum(max(0.0, s.get(m, 0.0)) for m in shared)) for s in squares]
    report.norms = tuple(norms)
    if normalize:
        _even_out(norms, report)
    elif min(norms) and max(norms) / min(norms) >= FAR_APART:
        report.notes.append(
            f"the norms are {max(norms) / min(norms):.3g} times apart, so the strong ones may hide "
            "the weak: --normalize evens them out"
        )
    for k, adapter in enumerate(adapters):
        twin = next(
            (j for j in range(k) if same_adapter(adapters[j], adapter, norms[j], norms[k])), None
        )
        if twin is not None:
            both = f"adapters {twin + 1} and {k + 1}"
            report.notes.append(f"{both} are one and the same, which counts twice")


def _even_out(norms: Sequence[float], report: MergeReport) -> None:
    if not all(norms):
        raise LorariumError(
            f"adapter {list(norms).index(0.0) + 1} changes nothing, so it has no norm to even out",
            hint="leave it or --normalize out",
        )
    middle = math.exp(math.fsum(map(math.log, norms)) / len(norms))
    report.factors = tuple(middle / n for n in norms)
    listing = ", ".join(
        f"{n:.3g} (times {f:.3g})" for n, f in zip(norms, report.factors, strict=True)
    )
    report.notes.append(f"normalized to norm {middle:.3g} from {listing}")


def same_adapter(a: Adapter, b: Adapter, norm_a: float, norm_b: float) -> bool:
    if a is b:
        return True
    return math.isclose(norm_a, norm_b, rel_tol=1e-6) and fingerprint(a) == fingerprint(b)
