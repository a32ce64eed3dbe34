"""Made-up adapter files with real names and real widths, for tests and benchmarks.

Every key a family has in a dialect, random factors, the dialect's own rule for alpha. The keys
come from the module tables and not from the writer, so that one can check the other.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lorarium.adapter import Array

from . import container, peft, positional
from .dialects import DIALECTS, Dialect
from .families import FAMILIES, Family
from .target import write_atomically

KINDS = ("lora", "tucker", "loha", "loha-tucker", "lokr", "lokr-whole", "dora", "full", "bias")
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Synthetic:
    """Tensors and metadata of a file; for a PEFT folder one set per network and its config."""

    dialect: str
    tensors: Mapping[str, Mapping[str, Array]]
    metadata: Mapping[str, str] = field(default_factory=dict)
    configs: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> Path:
        """Write a safetensors file, or a tree of PEFT folders."""
        target = Path(path)
        if self.dialect != "peft":
            container.save(target, dict(self.tensors[""]), dict(self.metadata), force=force)
            return target
        for net, tensors in self.tensors.items():
            folder = target / net
            folder.mkdir(parents=True, exist_ok=True)
            weights = folder / peft.WEIGHTS[0]
            container.save(weights, dict(tensors), dict(self.metadata), force=force)
            config = json.dumps(self.configs[net]).encode()
            write_atomically(folder / peft.CONFIG, [config], force=force)
        return target


def make_fixture(
    family: str,
    dialect: str,
    kind: str = "lora",
    *,
    rank: int = 1,
    alpha: float | None = None,
    dtype: type = np.float16,
    seed: int = 0,
    every: bool = True,
    keep: Callable[[str, str], bool] | None = None,
) -> Synthetic:
    """A file of a family; `every` False takes one module of each sort, `keep(part, name)` fewer.

    Example: `make_fixture("sdxl", "kohya", rank=4, alpha=2).save("made-up.safetensors")`.
    """
    known, spelling = FAMILIES[family], DIALECTS[dialect]
    rng = np.random.default_rng(seed)
    files: dict[str, dict[str, Array]] = {}
    if dialect == "cloneofsimo":
        return _positional(known, rank, dtype, rng)
    for part, name, shape, biased in weights(family, dialect, every):
        if keep is not None and not keep(part, name):
            continue
        slots = _slots(kind, shape, biased, rank, dtype, rng)
        if slots is None:
            continue
        if spelling.alpha == "key" and kind not in ("full", "bias", "lokr-whole"):
            slots["alpha"] = np.array(rank / 2 if alpha is None else alpha, np.float32)
        if spelling.tails is None and "dora_scale" in slots:
            ones = (1,) * (len(shape) - 2)
            slots["magnitude"] = slots.pop("dora_scale").reshape(
                (1, shape[0], *ones) if ones else (shape[0],)
            )
        net = _net(known, part) if dialect == "peft" else ""
        stem = spelling.prefix(part, known) + _spell(name, spelling, part)
        tensors = files.setdefault(net, {})
        tensors |= {f"{stem}.{spelling.tail(slot, part)}": array for slot, array in slots.items()}
    configs = {net: _config(rank, alpha, kind) for net in files} if dialect == "peft" else {}
    return Synthetic(dialect, files, {"format": "pt"}, configs)


class Weight(NamedTuple):
    """A weight as a dialect names it."""

    part: str
    name: str
    shape: Shape
    biased: bool


@lru_cache(maxsize=512)
def weights(family: str, dialect: str, every: bool = True) -> tuple[Weight, ...]:
    """The weights of a family under a dialect's names, all of them or one of each sort."""
    return tuple(_weights(FAMILIES[family], DIALECTS[dialect], every))


def _weights(family: Family, dialect: Dialect, every: bool) -> Iterator[Weight]:
    for part, table in family.parts.items():
        if part == "denoiser_2" and not dialect.two_denoisers:
            continue
        seen: set[str] = set()
        if part.startswith("denoiser") and dialect.uses_native(family):
            names = {name: native.paths for name, native in table.natives.items()}
            covered = {path for paths in names.values() for path in paths}
            names |= {path: (path,) for path in table.shapes if path not in covered}
        else:
            names = {path: (path,) for path in table.shapes}
        for name, paths in names.items():
            sort = re.sub(r"\b\d+\b", "#", name)
            shape = table.shapes[paths[0]]
            rows = sum(table.shapes[path][0] for path in paths)
            projection = re.search(r"\.(to_[qkv]|to_out\.0)$", name)
            if (not every and sort in seen) or (
                dialect.attention_only and part == "denoiser" and not projection
            ):
                continue
            seen.add(sort)
            yield Weight(part, name, (rows, *shape[1:]), paths[0] in table.biased)


def _spell(name: str, dialect: Dialect, part: str) -> str:
    if dialect.flat:
        return name.replace(".", "_")
    if dialect.attention_only and part == "denoiser":
        head, _, last = name.replace("to_out.0", "to_out").rpartition(".")
        return f"{head}.processor.{last}_lora"
    return name


def _slots(
    kind: str, shape: Shape, biased: bool, rank: int, dtype: type, rng: np.random.Generator
) -> dict[str, Array] | None:
    def draw(*size: int) -> Array:
        return (0.05 * rng.standard_normal(size, np.float32)).astype(dtype)

    out, into, kernel = shape[0], shape[1], shape[2:]
    ones, area = (1,) * len(kernel), math.prod(kernel)
    if kind in ("lora", "dora"):
        slots = {"up": draw(out, rank, *ones), "down": draw(rank, into, *kernel)}
        if kind == "dora":
            slots["dora_scale"] = 1 + draw(out, 1, *ones)
        return slots
    if kind in ("tucker", "loha-tucker") and area == 1:
        return None
    if kind == "tucker":
        return {
            "up": draw(out, rank, *ones),
            "down": draw(rank, into, *ones),
            "mid": draw(rank, rank, *kernel),
        }
    if kind == "loha":
        sides = {"a": (out, rank), "b": (rank, into * area)}
        return {f"hada_w{i}_{x}": draw(*size) for i in (1, 2) for x, size in sides.items()}
    if kind == "loha-tucker":
        sides = {"a": (rank, out), "b": (rank, into)}
        slots = {f"hada_w{i}_{x}": draw(*size) for i in (1, 2) for x, size in sides.items()}
        return slots | {f"hada_t{i}": draw(rank, rank, *kernel) for i in (1, 2)}
    if kind.startswith("lokr"):
        rows, columns = math.gcd(out, 4), math.gcd(into, 4)
        if kind == "lokr-whole":
            w2_shape = (out // rows, into // columns, *kernel)
            return {"lokr_w1": draw(rows, columns), "lokr_w2": draw(*w2_shape)}
        return {
            "lokr_w1": draw(rows, columns),
            "lokr_w2_a": draw(out // rows, rank),
            "lokr_w2_b": draw(rank, into // columns * area),
        }
    if kind == "full":
        return {"diff": draw(*shape)}
    if kind == "bias":
        return {"diff_b": draw(out)} if biased else None
    raise ValueError(f"no kind {kind!r}")


def _net(family: Family, part: str) -> str:
    return part.replace("denoiser", family.denoiser)


def _config(rank: int, alpha: float | None, kind: str) -> dict[str, object]:
    return {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": rank / 2 if alpha is None else alpha,
        "use_dora": kind == "dora",
        "target_modules": [],
    }


def _positional(family: Family, rank: int, dtype: type, rng: np.random.Generator) -> Synthetic:
    tensors: dict[str, Array] = {}
    metadata: dict[str, str] = {}
    for part in ("denoiser", "text_encoder"):
        paths = positional.order(family.id, part, True)
        for position, path in enumerate(paths):
            slots = _slots("lora", family.parts[part].shapes[path][:2], False, rank, dtype, rng)
            assert slots is not None
            stem = f"{positional.HEADER[part]}:{position}"
            tensors |= {f"{stem}:{slot}": array for slot, array in slots.items()}
        metadata |= positional.header(part, {i: rank for i in range(len(paths))}, True)
    return Synthetic("cloneofsimo", {"": tensors}, metadata)
