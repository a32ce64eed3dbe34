"""Block and pattern weights from a TOML file.

[blocks]            # for every adapter: names, ranges or presets
"IN04-IN08" = 0.5
[patterns]          # regular expressions searched in part:path
'attn2' = 0.0
[[adapter]]         # or one table per adapter, in order
blocks = "OUTALL"
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from lorarium.errors import LorariumError, quoted
from lorarium.files import read_text

KEYS = {"blocks", "patterns"}
LONGEST = 500  # characters of a pattern
MOST_REPEATS = 2


def read_weights(path: str | Path, count: int) -> dict[str, Any]:
    """The `blocks` and `patterns` options of the sum, for `count` adapters."""
    try:
        document = tomllib.loads(read_text(Path(path), "the block weights"))
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise LorariumError(f"cannot read block weights: {error}", where=str(path)) from None
    tables = document.pop("adapter", None)
    _check(document, str(path))
    if tables is None:
        return document
    if document or not isinstance(tables, list) or len(tables) != count:
        raise LorariumError(
            f"expected {count} [[adapter]] tables and nothing beside them", where=str(path)
        )
    for table in tables:
        _check(table, str(path))
    return {key: [table.get(key) for table in tables] for key in sorted(KEYS)}


def is_bounded(pattern: str) -> bool:
    """Whether a regular expression ends soon on any name: few repeats, and none inside another.

    A file of block weights may come from a stranger, as may the names that it is matched with.
    """
    plain = re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", "a", pattern, flags=re.S)
    repeats = len(re.findall(r"[*+?]|\{", plain.replace("(?:", "(")))
    of_group = re.search(r"\)[*+?{]", plain) is not None
    return len(pattern) <= LONGEST and repeats <= MOST_REPEATS and not of_group


def _check(table: Any, where: str) -> None:
    unknown = sorted(set(table) - KEYS) if isinstance(table, dict) else ["adapter"]
    if unknown:
        raise LorariumError(
            f"unknown entry {unknown[0]!r}", where=where, hint="use [blocks] and [patterns]"
        )
    patterns = table.get("patterns", {})
    numbers = isinstance(patterns, dict) and all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in patterns.values()
    )
    if not numbers:
        raise LorariumError("[patterns] maps regular expressions to numbers", where=where)
    for pattern in patterns:
        if not is_bounded(pattern):
            raise LorariumError(
                f"the pattern {quoted(pattern, 60)} could take for ever", where=where,
                hint=f"at most {MOST_REPEATS} repeats, and none of a group",
            )  # fmt: skip
    if not isinstance(table.get("blocks", {}), str | dict):
        raise LorariumError("blocks is a preset or a table of numbers", where=where)
