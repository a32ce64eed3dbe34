"""PEFT's configs: where a folder's weights lie, and the scale of each module.

PEFT matches the keys of `alpha_pattern` and `rank_pattern` as regular expressions. A config is
text from a stranger, so it is never executed: literal dotted names, `^`, `$`, `\\.`, `.*` and
`\\d+` are matched by hand in polynomial time, anything else is reported and left out.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lorarium.errors import LorariumError

CONFIG = "adapter_config.json"
WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
_LIMIT = 16 << 20
_KNOWN_TYPES = {"LORA", "LOHA", "LOKR"}
_TOKEN = re.compile(r"\\\.|\.\*|\\d\+|\[0-9\]\+|[\w.\-]")


@dataclass(frozen=True)
class Config:
    """What a config says about scale, and what in it was not understood."""

    rank: float | None
    alpha: float | None
    alpha_pattern: Mapping[str, float]
    rank_pattern: Mapping[str, float]
    rslora: bool = False
    warnings: tuple[str, ...] = ()

    def scale_of(self, name: str) -> Callable[[int], float] | None:
        """Scale of a module by its name in the model, as a function of the rank of its factors."""
        alpha = self._find(self.alpha_pattern, name, self.alpha)
        if alpha is None:
            return None
        value, stated = alpha, self._find(self.rank_pattern, name, self.rank) or 1.0

        def scale(rank: int) -> float:
            divisor = rank or stated
            return value / (math.sqrt(divisor) if self.rslora else divisor)

        return scale

    @staticmethod
    def _find(patterns: Mapping[str, float], name: str, default: float | None) -> float | None:
        for pattern, value in patterns.items():
            if matches(pattern, name):
                return value
        return default


def parse_config(data: Any, where: str) -> Config:
    """A config's JSON object as a Config; unknown adapter types are refused."""
    if not isinstance(data, dict):
        raise LorariumError("the PEFT config is not a JSON object", where=where)
    kind = data.get("peft_type", "LORA")
    if kind not in _KNOWN_TYPES:
        raise LorariumError(f"PEFT adapters of type {str(kind)[:40]!r} are not LoRA", where=where)
    warnings: list[str] = []
    patterns: dict[str, dict[str, float]] = {}
    for field in ("alpha_pattern", "rank_pattern"):
        found = patterns[field] = {}
        entries = data.get(field) or {}
        if not isinstance(entries, dict):
            warnings.append(f"{field} is not a table of names, ignored")
            continue
        for pattern, value in entries.items():
            if _tokens(pattern) is None:
                warnings.append(f"{field} entry {pattern[:60]!r} is not a plain name, ignored")
            elif (number := _number(value)) is None:
                warnings.append(f"{field} entry {pattern[:60]!r} has no number, ignored")
            else:
                found[pattern] = number
    return Config(
        _number(data.get("r")),
        _number(data.get("lora_alpha", data.get("alpha"))),
        patterns["alpha_pattern"],
        patterns["rank_pattern"],
        data.get("use_rslora") is True,
        tuple(warnings),
    )


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
    try:
        if path.stat().st_size > _LIMIT:
            raise LorariumError("the PEFT config is larger than 16 MiB", where=str(path))
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise LorariumError(f"the PEFT config is not readable: {error}", where=str(path)) from None
    return parse_config(data, str(path))


def inside(folder: Path, name: str) -> Path:
    """A file of a folder; links that lead out of it are not followed.

    A hub cache is the exception: its snapshots are links into the `blobs` beside them.
    """
    path = folder / name
    home, real = folder.resolve(), path.resolve()
    cached = real.parent.name == "blobs" and real.parent.parent in home.parents
    if not real.is_relative_to(home) and not cached:
        raise LorariumError("is a link that leads out of its folder", where=str(path))
    return path


def find_weights(folder: Path) -> Path:
    for name in WEIGHTS:
        if (folder / name).exists():
            return inside(folder, name)
    raise LorariumError(
        f"has {CONFIG} but no {WEIGHTS[0]}", where=str(folder), hint="is it a whole PEFT folder?"
    )


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _tokens(pattern: str) -> list[str] | None:
    """A pattern as literals and the two wildcards, None when it is anything more."""
    body = pattern.removeprefix("^").removesuffix("$")
    if len(pattern) > 500:
        return None
    tokens, place = [], 0
    while place < len(body):
        match = _TOKEN.match(body, place)
        if match is None:
            return None
        tokens.append("." if match[0] == "\\." else match[0])
        place = match.end()
    return tokens


def matches(pattern: str, name: str) -> bool:
    """PEFT's rule: the pattern stands for the whole name, or for its end after a dot."""
    tokens = _tokens(pattern)
    if tokens is None:
        return False
    starts = {0}
    if not pattern.startswith("^"):
        starts |= {place + 1 for place, letter in enumerate(name) if letter == "."}
    for token in tokens:
        starts = _advance(token, name, starts)
        if not starts:
            return False
    return len(name) in starts


def _advance(token: str, name: str, places: set[int]) -> set[int]:
    """All places reachable after one token."""
    if token == ".*":
        return set(range(min(places), len(name) + 1))
    if token in ("\\d+", "[0-9]+"):
        reached = set()
        for place in places:
            while place < len(name) and name[place].isdigit():
                place += 1
                reached.add(place)
        return reached
    return {place + 1 for place in places if name[place : place + 1] == token}
