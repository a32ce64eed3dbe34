"""Bytes <-> Adapter: the dialects LoRA files are written in, and the base models they belong to.

`read`, `read_report`, `write` and `convert` are the whole public surface; nothing outside this
package knows a key name.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .converting import convert
    from .glance import detect_file
    from .reading import read, read_report
    from .report import Converted, ConvertReport, FamilyGuess, KeyFate, Report, WriteReport
    from .writing import write

_HOMES = {
    "read": "reading",
    "read_report": "reading",
    "write": "writing",
    "convert": "converting",
    "Converted": "report",
    "ConvertReport": "report",
    "detect_file": "glance",
    "FamilyGuess": "report",
    "KeyFate": "report",
    "Report": "report",
    "WriteReport": "report",
}
__all__ = [
    "ConvertReport",
    "Converted",
    "FamilyGuess",
    "KeyFate",
    "Report",
    "WriteReport",
    "convert",
    "detect_file",
    "read",
    "read_report",
    "write",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    return value
