"""The merge methods: each is declared where it stands, and everything else is derived from that.

    @method("mine", group="entries")
    def merge_mine(inputs: Inputs, *, density: float = 0.5) -> Adapter:
        \"\"\"One line for `lorarium merge --methods`.\"\"\"

A file of this room that does so is found; its keyword arguments are the method's own options.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from lorarium.adapter import Adapter
from lorarium.errors import LorariumError, did_you_mean

ROOM = "lorarium.mergers"
ABOVE = ("lorarium.forecasts.auto",)  # methods that need what stands on this room

Group = Literal["sums", "directions", "entries", "subject and style", "on the base", "choice"]
GROUPS: tuple[Group, ...] = get_args(Group)  # in the order that lists have


@dataclass(frozen=True)
class Method:
    """A way to merge, and what it needs: so many adapters, a module that two of them share, a
    trained network (the file of the one that comes along)."""

    name: str
    function: Callable[..., Adapter]
    group: Group
    min_inputs: int = 1
    max_inputs: int | None = None
    require_shared: bool = True
    network: Path | None = None

    @cached_property
    def options(self) -> Mapping[str, Any]:
        """The method's own options and their defaults."""
        parameters = inspect.signature(self.function).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}

    @property
    def needs_base(self) -> bool:
        return "base" in self.options

    @property
    def summary(self) -> str:
        """One line about it."""
        return (self.function.__doc__ or "").strip().split("\n")[0]


METHODS: dict[str, Method] = {}


def method(name: str, *, group: Group, **needs: Any) -> Callable[..., Callable[..., Adapter]]:
    """Declare a merge method; see `Method` for what it may need."""

    def register(function: Callable[..., Adapter]) -> Callable[..., Adapter]:
        if name in METHODS:
            raise ValueError(f"two merge methods are called {name!r}")
        METHODS[name] = Method(name, function, group, **needs)
        return function

    return register


def find_methods() -> None:
    """Import every file of the room, and with it the methods it declares; put them in order."""
    names = [f"{ROOM}.{file.name}" for file in pkgutil.iter_modules(sys.modules[ROOM].__path__)]
    for name in (*names, *ABOVE):
        importlib.import_module(name)
    ordered = sorted(METHODS.values(), key=lambda m: (GROUPS.index(m.group), m.name != "sum"))
    METHODS.clear()
    METHODS.update((m.name, m) for m in ordered)


def find_method(name: str) -> Method:
    if name not in METHODS:
        raise LorariumError(
            f"no merge method {name!r}",
            hint="known: " + ", ".join(METHODS) + did_you_mean(name, METHODS),
        )
    return METHODS[name]
