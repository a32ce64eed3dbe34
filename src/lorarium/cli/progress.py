"""A progress bar on stderr, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Show = Callable[[int, int, str], None]


@contextmanager
def bar(what: str, silent: bool) -> Iterator[Show]:
    """A function (done, total, words) that moves the bar."""
    if silent:
        yield lambda done, total, words: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[words]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    # where nobody watches, an error stays the only line
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=1, words="")

        def show(done: int, total: int, words: str) -> None:
            progress.update(task, completed=done, total=total, words=words)

        yield show
