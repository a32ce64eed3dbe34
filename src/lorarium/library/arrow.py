"""pyarrow without pandas, which it would import at its first conversion: half a second for nothing.

pyarrow asks once whether pandas is there. It is told no; whoever has data frames later, or wants
some, is served all the same. Its functions on columns come with the first of them that is used.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import pyarrow as pa


class _Hidden:
    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("not now", name=name)


def settle() -> None:
    """Let pyarrow ask; where pandas is loaded already it may have it."""
    if "pandas" in sys.modules:
        return
    sys.meta_path.insert(0, _Hidden)  # type: ignore[arg-type]
    try:
        pa.array([])
    finally:
        sys.meta_path.remove(_Hidden)  # type: ignore[arg-type]


class _Compute:
    """`pyarrow.compute`, whose import makes a function for each of hundreds."""

    def __getattr__(self, name: str) -> Any:
        value = getattr(importlib.import_module("pyarrow.compute"), name)
        setattr(self, name, value)
        return value


if TYPE_CHECKING:
    import pyarrow.compute as pc
else:
    pc = _Compute()
