"""PEFT's configs: where a folder's weights lie, and the scale of each module.

A config is text from a stranger: what is no number of ordinary size is left out with a warning, and
patterns are matched by `patterns`, never executed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lorarium.errors import LorariumError, quoted
from lorarium.files import is_inside, read_text
from lorarium.soundness import LARGEST_SCALE

from .patterns import PatternTable

CONFIG = "adapter_config.json"
WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
_LIMIT = 16 << 20
_KNOWN_TYPES = {"LORA", "LOHA", "LOKR"}
# carried by name: OFT and BOFT can be lowered on a base weight, for which these fields count
_CARRIED_TYPES = {"OFT", "BOFT", "IA3"}
_ROTATION = ("block_share", "coft", "eps", "use_cayley_neumann", "num_cayley_neumann_terms")
_LARGEST_RANK = 2**31
_WARNINGS = 5  # of one table


@dataclass(frozen=True)
class Config:
    """What a config says about scale, and what in it was not understood."""

    rank: float | None
    alpha: float | None
    alphas: PatternTable
    ranks: PatternTable
    rslora: bool = False
    warnings: tuple[str, ...] = ()
    rotation: Mapping[str, Any] = field(default_factory=dict)  # of OFT

    def scale_of(self, name: str) -> Callable[[int], float] | None:
        """Scale of a module by its name in the model, as a function of the rank of its factors."""
        own_alpha = self.alphas.find(name)
        alpha = self.alpha if own_alpha is None else own_alpha
        if alpha is None:
            return None
        stated = self.ranks.find(name) or self.rank or 1.0

        def scale(rank: int) -> float:
            divisor = rank or stated
            return alpha / (math.sqrt(divisor) if self.rslora else divisor)

        return scale


def parse_config(data: Any, where: str) -> Config:
    """A config's JSON object as a Config; unknown adapter types are refused."""
    if not isinstance(data, dict):
        raise LorariumError("the PEFT config is not a JSON object", where=where)
    kind = data.get("peft_type", "LORA")
    if isinstance(kind, str) and kind in _CARRIED_TYPES:
        stated = {name: data[name] for name in _ROTATION if name in data and kind == "OFT"}
        return Config(None, None, PatternTable(), PatternTable(), rotation=stated)
    if not isinstance(kind, str) or kind not in _KNOWN_TYPES:
        raise LorariumError(
            f"PEFT adapters of type {quoted(str(kind), 40)} are not LoRA", where=where
        )
    warnings: list[str] = []
    alphas = _table(data, "alpha_pattern", _alpha, warnings)
    ranks = _table(data, "rank_pattern", _rank, warnings)
    numbers: dict[str, float | None] = {}
    for name, read in (("r", _rank), ("lora_alpha", _alpha), ("alpha", _alpha)):
        numbers[name] = read(data.get(name))
        if numbers[name] is None and data.get(name) is not None:
            warnings.append(f"{name} is not a number of ordinary size, ignored")
    alpha = numbers["lora_alpha" if "lora_alpha" in data else "alpha"]
    rslora = data.get("use_rslora") is True
    return Config(numbers["r"], alpha, alphas, ranks, rslora, tuple(warnings))


def _table(
    data: Mapping[str, Any], field: str, read: Callable[[Any], float | None], warnings: list[str]
) -> PatternTable:
    """One table of patterns; what is left out of it is told, but not without end."""
    table = PatternTable()
    entries = data.get(field) or {}
    if not isinstance(entries, dict):
        warnings.append(f"{field} is not a table of names, ignored")
        return table
    odd: list[str] = []
    for pattern, value in entries.items():
        number = read(value)
        if number is None:
            odd.append(f"{field} entry {quoted(pattern, 60)} has no number, ignored")
        elif not table.add(pattern, number):
            odd.append(f"{field} entry {quoted(pattern, 60)} is not a plain name, ignored")
    warnings += odd[:_WARNINGS]
    if len(odd) > _WARNINGS:
        warnings.append(f"{len(odd) - _WARNINGS} more entries of {field} were ignored")
    return table


def header_configs(metadata: Mapping[str, str], where: str) -> dict[str, Config]:
    """Configs that diffusers leaves in the header of a file, by network prefix."""
    raw = metadata.get("lora_adapter_metadata")
    if not raw or len(raw) > _LIMIT:
        return {}
    try:
        flat = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(flat, dict):
        return {}
    nested: dict[str, dict[str, Any]] = {}
    for name, value in flat.items():
        prefix, dot, field = name.partition(".")
        nested.setdefault(prefix if dot else "", {})[field if dot else name] = value
    return {prefix: parse_config(fields, where) for prefix, fields in nested.items()}


def read_config(folder: Path) -> Config:
    path = inside(folder, CONFIG)
    return config_of_text(read_text(path, "the PEFT config", _LIMIT), str(path))


def config_of_text(text: str | bytes, where: str) -> Config:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LorariumError(f"the PEFT config is not readable: {error}", where=where) from None
    return parse_config(data, where)


def inside(folder: Path, name: str) -> Path:
    """A file of a folder; links that lead out of it are not followed.

    A hub cache is the exception: its snapshots are links into the `blobs` beside them.
    """
    path = folder / name
    if not is_inside(path, folder):
        raise LorariumError("is a link that leads out of its folder", where=str(path))
    return path


def find_weights(folder: Path) -> Path:
    for name in WEIGHTS:
        if (folder / name).exists():
            return inside(folder, name)
    raise LorariumError(
        f"has {CONFIG} but no {WEIGHTS[0]}", where=str(folder), hint="is it a whole PEFT folder?"
    )


def _alpha(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # an int of any length can be compared, not converted
    return float(value) if abs(value) <= LARGEST_SCALE else None


def _rank(value: Any) -> float | None:
    number = _alpha(value)
    return number if number is not None and 1 <= number <= _LARGEST_RANK else None
