"""LoRA adapters of text-to-image diffusion models, treated as data."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lorarium.adapter import Adapter
    from lorarium.errors import LorariumError
    from lorarium.library import Library

__version__ = "0.1.0"

_HOMES = {  # loaded when first asked for
    "Adapter": "adapter",
    "Library": "library",
    "LorariumError": "errors",
}
__all__ = ["Adapter", "Library", "LorariumError", "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lorarium' has no attribute {name!r}")
    home = importlib.import_module(f"lorarium.{_HOMES[name]}")
    value = globals()[name] = getattr(home, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
