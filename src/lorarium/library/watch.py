"""Index again when something changed, by looking every few seconds.

Looking works on every disk, also on network shares and in containers where the system announces
no changes, and a look at ten thousand files takes well under a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lorarium.errors import LorariumError
from lorarium.library.indexing import Indexed, index
from lorarium.library.scan import Entry, Signature, scan
from lorarium.library.spaces import VectorSpace
from lorarium.library.store import Store

SECONDS = 3.0


def watch(
    store: Store,
    folders: Sequence[Path],
    encoders: dict[str, VectorSpace],
    on_report: Callable[[Indexed], None],
    *,
    every: float = SECONDS,
    rounds: int | None = None,
    **options: Any,
) -> None:
    """`on_report` hears of each run that did something; `rounds` ends it, otherwise Ctrl-C does.

    A file is read once two looks found it the same, so that none is read while it is copied.
    """
    before: dict[str, Signature] = {}
    settled: dict[str, Signature] | None = None
    trouble = ""
    while rounds is None or rounds > 0:
        rounds = None if rounds is None else rounds - 1
        try:
            now = {entry.path: entry.signature for entry in scan(folders).entries}
            if now == before and now != settled:
                on_report(index(store, folders, encoders, only=_same_as(now), **options))
                settled, trouble = now, ""
        except LorariumError as error:  # a disk that is away, another indexer: both may pass
            if str(error) != trouble:
                trouble = str(error)
                on_report(Indexed(bad=[("", trouble)]))
            now = {}
        before = now
        if rounds != 0:
            time.sleep(every)


def _same_as(state: dict[str, Signature]) -> Callable[[Entry], bool]:
    return lambda entry: state.get(entry.path) == entry.signature
