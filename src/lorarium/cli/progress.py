"""Progress on stderr: a bar in a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from lorarium.errors import one_line

Show = Callable[[int, int, str], None]
EVERY = 60.0  # seconds between lines of a log


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
    if not console.is_terminal:
        yield log_lines(what)
        return
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(what, total=1, words="")

        def show(done: int, total: int, words: str) -> None:
            progress.update(task, completed=done, total=total, words=words)

        yield show


def log_lines(what: str) -> Show:
    """A line every `EVERY` seconds; of what ends before, an error stays the only line."""
    started = last = time.monotonic()

    def show(done: int, total: int, words: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < EVERY:
            return
        last, gone = now, now - started
        left = f", {clock(gone * (total - done) / done)} left" if 0 < done <= total else ""
        count = f"{done:.0f}/{total:.0f} {words}".strip()
        click.echo(one_line(f"{what}: {count}, after {clock(gone)}{left}"), err=True)

    return show


def clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
