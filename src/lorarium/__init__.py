"""LoRA adapters of text-to-image diffusion models, treated as data.

>>> import lorarium as lo
>>> ink = lo.read("ink.safetensors")  # doctest: +SKIP
>>> both = lo.merge(["cat.safetensors", ink], weights=[1, 0.8])  # doctest: +SKIP
>>> lo.write(both, "both.safetensors", dialect="kohya")  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lorarium.adapter import Adapter as Adapter
    from lorarium.adopted import adopted_bases as adopted_bases
    from lorarium.descriptors.many import describe as describe
    from lorarium.errors import LorariumError as LorariumError
    from lorarium.forecasts.facts import forecast as forecast
    from lorarium.formats.converting import convert as convert
    from lorarium.formats.inspection.inspect import inspect_file as inspect
    from lorarium.formats.reading import read as read
    from lorarium.formats.writing import write as write
    from lorarium.library.library import Library as Library
    from lorarium.mergers import merge as merge
    from lorarium.synthesis.run import synthesize_files as synthesize
    from lorarium.training.run import train as train
    from lorarium.verbs import adopt as adopt
    from lorarium.verbs import evaluate as evaluate
    from lorarium.verbs import render as render
    from lorarium.verbs import resize as resize

__version__ = "0.1.0"

# where each public name lives; nothing is loaded before it is asked for
_HOMES = {
    "Adapter": "adapter:Adapter",
    "Library": "library.library:Library",
    "LorariumError": "errors:LorariumError",
    "adopt": "verbs:adopt",
    "adopted_bases": "adopted:adopted_bases",
    "convert": "formats.converting:convert",
    "describe": "descriptors.many:describe",
    "evaluate": "verbs:evaluate",
    "forecast": "forecasts.facts:forecast",
    "inspect": "formats.inspection.inspect:inspect_file",
    "merge": "mergers:merge",
    "read": "formats.reading:read",
    "render": "verbs:render",
    "resize": "verbs:resize",
    "synthesize": "synthesis.run:synthesize_files",
    "train": "training.run:train",
    "write": "formats.writing:write",
}
_NEED_TORCH = {"synthesize", "train"}
__all__ = [
    "Adapter",
    "Library",
    "LorariumError",
    "__version__",
    "adopt",
    "adopted_bases",
    "convert",
    "describe",
    "evaluate",
    "forecast",
    "inspect",
    "merge",
    "read",
    "render",
    "resize",
    "synthesize",
    "train",
    "write",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lorarium' has no attribute {name!r}")
    if name in _NEED_TORCH:
        from lorarium.errors import need_packages

        need_packages(f"lorarium.{name}", ("torch", "PIL"), "torch")
    room, _, attribute = _HOMES[name].partition(":")
    value = globals()[name] = getattr(importlib.import_module(f"lorarium.{room}"), attribute)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
