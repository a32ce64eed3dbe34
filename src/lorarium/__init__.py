"""LoRA adapters of text-to-image diffusion models, treated as data."""

import importlib
from types import ModuleType

from lorarium.adapter import Adapter
from lorarium.errors import LorariumError

__version__ = "0.1.0"
__all__ = ["Adapter", "LorariumError", "__version__", "describe"]

_ROOMS = ("describe",)  # loaded when first asked for


def __getattr__(name: str) -> ModuleType:
    if name in _ROOMS:
        return importlib.import_module(f"lorarium.{name}")
    raise AttributeError(f"module 'lorarium' has no attribute {name!r}")
