"""What is wrong with a LoRA that loads: each finding has a stable code, a place and a sentence."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from lorarium.adapter import Adapter, Array, Delta, Dora, LowRank, Module
from lorarium.errors import one_line, quoted
from lorarium.formats.container import RawFile
from lorarium.formats.inspection.hashes import EMPTY, Hashes
from lorarium.formats.inspection.sidecars import Sidecar
from lorarium.formats.report import Report

# Base weights of a linear layer have entries of about 0.02 to 0.05. A change whose entries are
# ten times that drowns the layer; a healthy LoRA stays a factor of ten or more below it.
EXPLODING_RMS = 0.5
EXPLODING_RATIO = 100.0  # of the median module's root mean square
TINY_RATIO = 1e-6
MOSTLY = 0.5  # of the keys
NAMED = 3  # places named in one finding before "and n more"

CODES = {
    "nan": "a tensor holds NaN",
    "inf": "a tensor holds infinities",
    "empty": "there is no weight change in the file",
    "unknown-naming": "the keys are named as in no dialect that is known",
    "zero-adapter": "every weight change is zero",
    "dead-module": "one factor of a module is all zero, so the module does nothing",
    "tiny-norm": "a module is so small that it does nothing",
    "exploding-norm": "a module is so large that it drowns what it changes",
    "not-diffusion": "the file belongs to another kind of model",
    "unknown-family": "no known base model has these modules",
    "unmapped-keys": "most keys belong to no module of the base model",
    "refused-keys": "some keys cannot be used",
    "stamp-family": "the metadata names another base model than the tensors",
    "stamp-rank": "the metadata names a rank that no module has",
    "stamp-alpha": "the metadata names an alpha that no module has",
    "stamp-hash": "a hash in the metadata is not the hash of the payload",
    "sidecar-hash": "a file beside it describes another file",
    "reader": "reading it needed an assumption",
}


@dataclass(frozen=True)
class Finding:
    code: str
    where: str
    message: str

    def to_json(self) -> dict[str, str]:
        return {"code": self.code, "where": self.where, "message": self.message}


def check(
    raw: RawFile,
    adapter: Adapter,
    report: Report,
    norms: Mapping[Module, float],
    training: Mapping[str, Any],
    hashes: Hashes,
    sidecars: Sequence[Sidecar] = (),
) -> tuple[Finding, ...]:
    """All findings, the worst first; `norms` are those of the modules' changes."""
    return (
        *_numbers(raw),
        *_keys(adapter, report),
        *_norms(adapter, norms),
        *_stamps(adapter, report, training),
        *_stamped_hashes(hashes),
        *_beside(sidecars, hashes),
        *_assumptions(report),
    )


def check_header(
    adapter: Adapter, report: Report, training: Mapping[str, Any]
) -> tuple[Finding, ...]:
    """What needs no tensor's entries; a `training` without `alpha` says nothing of alphas."""
    return (*_keys(adapter, report), *_stamps(adapter, report, training), *_assumptions(report))


def _assumptions(report: Report) -> Iterator[Finding]:
    for warning in report.warnings:
        if not warning.startswith("metadata says"):  # that is `stamp-family`
            yield Finding("reader", "", one_line(warning, 500))


def _finding(code: str, places: Sequence[object], message: str) -> Finding:
    """One finding for all places, however many: a broken file breaks in hundreds of modules."""
    names = [one_line(str(place), 120) for place in places[:NAMED]]
    if len(places) > NAMED:
        names.append(f"and {len(places) - NAMED} more")
    return Finding(code, ", ".join(names), message)


def _numbers(raw: RawFile) -> Iterator[Finding]:
    nan: list[str] = []
    inf: list[str] = []
    for key, array in raw.tensors.items():
        if not all_finite(array):
            with np.errstate(invalid="ignore"):  # signalling NaNs warn when they are widened
                wide = array.astype(np.float64)
            (nan if np.isnan(wide).any() else inf).append(key)
    if nan:
        yield _finding("nan", nan, f"{_tensors(len(nan))} NaN: pictures come out black or noise")
    if inf:
        yield _finding("inf", inf, f"{_tensors(len(inf))} infinite values")


def _tensors(n: int) -> str:
    return "a tensor holds" if n == 1 else f"{n} tensors hold"


# dtype -> (unsigned integer of its size, bits) such that x is not finite iff x & bits == bits
NOT_FINITE: dict[str, tuple[type, int]] = {
    "float16": (np.uint16, 0x7C00),
    "bfloat16": (np.uint16, 0x7F80),
    "float32": (np.uint32, 0x7F80_0000),
    "float64": (np.uint64, 0x7FF0_0000_0000_0000),
    "float8_e4m3fn": (np.uint8, 0x7F),
    "float8_e5m2": (np.uint8, 0x7C),
}


def all_finite(array: Array) -> bool:
    """Whether no entry is NaN or infinite, on the bits: several times faster for 16-bit types."""
    rule = NOT_FINITE.get(array.dtype.name)
    if rule is None or not array.flags.c_contiguous:
        if array.dtype.kind in "biu":
            return True
        return bool(
            np.isfinite(array.astype(np.complex64 if array.dtype.kind == "c" else "f4")).all()
        )
    unsigned, bits = rule
    mask = unsigned(bits)
    return not bool(((array.reshape(-1).view(unsigned) & mask) == mask).any())


def _keys(adapter: Adapter, report: Report) -> Iterator[Finding]:
    total = len(report.keys)
    unmapped = [key.key for key in report.keys if key.fate != "mapped"]
    refused = report.refused()
    if report.family.id == "not-diffusion":
        evidence = "; ".join(report.family.evidence)
        yield _finding("not-diffusion", [], f"not a diffusion LoRA: {evidence}")
    elif not len(adapter) and unmapped and not refused:
        samples = ", ".join(quoted(key) for key in unmapped[:3])
        message = f"naming unknown: no key is a weight change that is known, as {samples}"
        yield _finding("unknown-naming", unmapped, message)
    elif not len(adapter):
        yield _finding("empty", unmapped, "no weight change was found in the file")
    elif report.family.id == "unknown":
        yield _finding("unknown-family", unmapped, "no known base model has these modules")
    elif total and len(unmapped) > MOSTLY * total:
        message = f"{len(unmapped)} of {total} keys belong to no module of {report.family.id}"
        yield _finding("unmapped-keys", unmapped, message)
    if refused:
        reasons = sorted({key.reason for key in refused})
        more = f" (and {len(reasons) - 1} other reasons)" if len(reasons) > 1 else ""
        message = f"{len(refused)} of {total} keys cannot be used: {reasons[0]}{more}"
        yield _finding("refused-keys", [key.key for key in refused], message)


def _norms(adapter: Adapter, norms: Mapping[Module, float]) -> Iterator[Finding]:
    known = {m: n for m, n in norms.items() if math.isfinite(n)}
    beyond = [m for m in norms if m not in known and _finite_factors(adapter[m])]
    if beyond:
        yield _finding("exploding-norm", beyond, "too strong for its norm to be a number")
    if known and not any(known.values()) and len(known) == len(adapter):
        yield _finding("zero-adapter", [], "every weight change is zero: it does nothing")
        return
    dead = [module for module, norm in known.items() if norm == 0]
    if dead:
        message = f"{_modules(len(dead))} nothing: {_why_dead(adapter[dead[0]])}"
        yield _finding("dead-module", dead, message)
    # root mean square of the entries, so that modules of all sizes compare
    sizes = {
        module: norm / math.sqrt(math.prod(adapter[module].shape))
        for module, norm in known.items()
        if norm and len(adapter[module].shape) > 1
    }
    if not sizes:
        return
    middle = median(sizes.values())
    tiny = [module for module, size in sizes.items() if size < TINY_RATIO * middle]
    if tiny:
        message = f"{_modules(len(tiny))} nearly nothing beside the others"
        yield _finding("tiny-norm", tiny, message)
    limit = min(EXPLODING_RMS, max(EXPLODING_RATIO * middle, EXPLODING_RMS / 10))
    strong_modules = [module for module, size in sizes.items() if size > limit]
    if strong_modules:
        strong_modules.sort(key=lambda module: -sizes[module])
        worst = sizes[strong_modules[0]]
        count = len(strong_modules)
        message = (
            f"{'a module is' if count == 1 else f'{count} modules are'} far too strong: "
            f"entries of about {worst:.2g}, {worst / middle:.3g} times the median module"
        )
        yield _finding("exploding-norm", strong_modules, message)


def _finite_factors(delta: Delta) -> bool:
    inner = delta.inner if isinstance(delta, Dora) else delta
    return all(all_finite(x) for x in vars(inner).values() if isinstance(x, np.ndarray))


def _modules(n: int) -> str:
    return "a module does" if n == 1 else f"{n} modules do"


def _why_dead(delta: Delta) -> str:
    inner = delta.inner if isinstance(delta, Dora) else delta
    if isinstance(inner, LowRank):
        if not _any(inner.up):
            return "its up factor is all zero, as before training"
        if not _any(inner.down):
            return "its down factor is all zero"
        if not inner.scale:
            return "its alpha is zero"
    return "its change is zero"


def _any(array: Array) -> bool:
    return bool((array != 0).any())


def _stamps(adapter: Adapter, report: Report, training: Mapping[str, Any]) -> Iterator[Finding]:
    family, hint = report.family, report.family.hint
    if hint and hint not in (family.id, *family.alternatives, "unknown"):
        message = f"the metadata says {one_line(hint, 60)}, the tensors say {family.id}"
        yield _finding("stamp-family", [], message)
    ranks = {delta.rank: delta for _, delta in adapter.items() if isinstance(delta, LowRank)}
    rank, alpha = training.get("rank"), training.get("alpha")
    if ranks and rank and all(rank != actual for actual in ranks):
        message = f"the metadata says rank {rank}, the tensors have {_some(sorted(ranks))}"
        yield _finding("stamp-rank", [], message)
    elif ranks and alpha and "kohya" in report.dialect:
        alphas = {round(d.scale * d.rank, 4) for _, d in adapter.items() if isinstance(d, LowRank)}
        if not any(math.isclose(alpha, actual, rel_tol=0.01) for actual in alphas):
            message = f"the metadata says alpha {alpha}, the tensors have {_some(sorted(alphas))}"
            yield _finding("stamp-alpha", [], message)


def _stamped_hashes(hashes: Hashes) -> Iterator[Finding]:
    for key, value in hashes.stamped.items():
        if value in EMPTY and value:
            yield _finding("stamp-hash", [key], "the stamped hash is that of an empty file")
        elif key != "sshs_legacy_hash" and not hashes.payload_sha256.startswith(value):
            message = "the stamped hash is not that of the payload: changed since, or copied"
            yield _finding("stamp-hash", [key], message)


def _some(values: Iterable[float]) -> str:
    listed = [f"{value:g}" for value in values]
    return ", ".join(listed[:4]) + (", …" if len(listed) > 4 else "")


def _beside(sidecars: Sequence[Sidecar], hashes: Hashes) -> Iterator[Finding]:
    for sidecar in sidecars:
        stated = sidecar.facts.get("sha256")
        if stated and not hashes.sha256.startswith(stated):
            message = f"{quoted(sidecar.path.name)} describes a file with another SHA256"
            yield _finding("sidecar-hash", [sidecar.path.name], message)
