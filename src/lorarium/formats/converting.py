"""Files and folders of them from one dialect into another, going on after a bad one."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from lorarium.adapter import Adapter
from lorarium.errors import LorariumError, UnverifiedError

from . import experts, programs
from .batch import Outcome, for_each, pairs
from .families import FAMILIES
from .reading import read_report
from .report import Converted, ConvertReport
from .writing import DType, write


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    to: str | None = None,
    dtype: DType | None = None,
    expert: str | None = None,
    program: str | None = None,
    *,
    force: bool = False,
    allow_loss: bool = False,
) -> ConvertReport:
    """Convert one file or PEFT folder, or every adapter under a folder into the same tree.

    `program` names one of `programs.PROGRAMS`, which then chooses the dialect by the family;
    `expert` ("high" or "low") says which of two denoisers a file is for when it does not say.
    A file of which modules were refused is not `ok`, unless `allow_loss` says that it is wanted.
    """
    if program is not None and to is not None:
        raise LorariumError(
            "a dialect and a program are two answers to one question", hint="give --to or --for"
        )
    start = Path(source)

    def work(path: Path, out: Path) -> Converted:
        adapter, report = read_report(path)
        if report.family.id == "not-diffusion":
            evidence = "; ".join(report.family.evidence)
            raise LorariumError(f"not a diffusion LoRA: {evidence}", where=str(path))
        if expert is not None:
            adapter = _assign(adapter, expert)
        row = programs.row_for(program, report.family.id) if program else None
        out.parent.mkdir(parents=True, exist_ok=True)
        dialect = row.dialect if row else to
        written = write(
            adapter, out, dialect, dtype, force=force, inputs=[start], keep_nonfinite=True
        )
        if row:
            more = programs.warnings(row, adapter, dict(report.kinds))
            written = replace(written, warnings=(*written.warnings, *more))
        return Converted(str(path), str(out), report, written, loss_allowed=allow_loss)

    plan = pairs(start, Path(target), as_folders=to == "peft")
    return ConvertReport(tuple(map(_converted, for_each(plan, work))))


def _converted(outcome: Outcome[Converted]) -> Converted:
    if outcome.result is not None:
        return outcome.result
    problem = outcome.problem
    faults = problem.faults if isinstance(problem, UnverifiedError) else {}
    names = str(outcome.source), str(outcome.target)
    return Converted(*names, error=str(problem), unverified=faults)


def _assign(adapter: Adapter, expert: str) -> Adapter:
    """Give modules of a denoiser whose expert is unknown to one of the two."""
    parts = experts.PARTS
    if expert not in parts:
        raise LorariumError(f"unknown expert {expert!r}", hint="high or low")
    own = [part for part in adapter.parts() if part.startswith("denoiser")]
    family = FAMILIES.get(adapter.family)
    if len(own) > 1 or (own and family is not None and not family.experts):
        reason = "says itself which" if len(own) > 1 else "is for a model with one denoiser"
        raise LorariumError(f"the file {reason}", hint="leave --expert out")
    deltas = {
        module._replace(part=parts[expert]) if module.part in own else module: d
        for module, d in adapter.items()
    }
    return adapter.with_(deltas=deltas)
