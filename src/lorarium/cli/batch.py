"""What commands print when they do one thing to every file of a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from lorarium.cli.common import one_line, print_json
from lorarium.formats.batch import Pair, for_each

Result = TypeVar("Result")


def for_files(
    plan: Iterable[Pair],
    work: Callable[[Path, Path], Result],
    line: Callable[[Path, Result], str],
    to_json: Callable[[Path, Result], dict[str, Any]],
    *,
    as_json: bool,
    quiet: bool,
    code: Callable[[Result], int] = lambda done: 0,
) -> int:
    """Do it file by file and say what came of each; the exit code is that of the worst."""
    worst = right = total = 0
    documents = []
    for outcome in for_each(plan, work):
        total += 1
        done, problem = outcome.result, outcome.problem
        document: dict[str, Any] = {"source": str(outcome.source), "ok": done is not None}
        if problem is not None or done is None:
            click.echo(f"lorarium: {one_line(str(problem))}", err=True)
            documents.append(document | {"error": str(problem)})
            worst = max(worst, problem.code if problem is not None else 2)
            continue
        right += 1
        if as_json:
            documents.append(document | {"error": ""} | to_json(outcome.target, done))
        elif not quiet:
            click.echo(line(outcome.target, done))
        worst = max(worst, code(done))
    if as_json:
        print_json({"ok": worst == 0, "files": documents})
    elif not quiet:
        click.echo(f"{right:,} of {total:,} files")
    return worst
