"""LoRA adapters of text-to-image diffusion models, treated as data."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lorarium.adapter import Adapter
from lorarium.errors import LorariumError

if TYPE_CHECKING:
    from lorarium.library import Library

__version__ = "0.1.0"
__all__ = ["Adapter", "Library", "LorariumError", "__version__", "describe"]

_ROOMS = ("describe", "synth")  # loaded when first asked for


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"lorarium.{name}")
    if name == "Library":
        return importlib.import_module("lorarium.library").Library
    raise AttributeError(f"module 'lorarium' has no attribute {name!r}")
