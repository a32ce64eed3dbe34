"""What a command says of the adapter file that it wrote: rank, number type and size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lorarium import formats

SHORT = {"float16": "fp16", "bfloat16": "bf16", "float32": "fp32", "float64": "fp64"}


@dataclass(frozen=True)
class WrittenFacts:
    ranks: tuple[int, ...]  # that occur, rising
    dtypes: tuple[str, ...]  # the one with most numbers first
    size: int  # bytes

    def __str__(self) -> str:
        facts = rank_words(self.ranks), short_dtypes(self.dtypes), size_words(self.size)
        return ", ".join(filter(None, facts))

    def to_json(self) -> dict[str, Any]:
        low, high = (self.ranks[0], self.ranks[-1]) if self.ranks else (None, None)
        return {"rank": {"min": low, "max": high}, "dtype": list(self.dtypes), "size": self.size}


def written_facts(path: Path) -> WrittenFacts:
    """Of an adapter's file or PEFT folder, as it now stands on disk."""
    from lorarium.algebra.forms import arrays  # which a quiet convert does without

    adapter = formats.read(path)
    numbers: Counter[str] = Counter()
    for _, delta in adapter.items():
        for array in arrays(delta):
            numbers[array.dtype.name] += array.size
    files = [file for file in path.iterdir() if file.is_file()] if path.is_dir() else [path]
    return WrittenFacts(
        tuple(sorted({delta.rank for _, delta in adapter.items() if delta.rank is not None})),
        tuple(name for name, _ in numbers.most_common()),
        sum(file.stat().st_size for file in files),
    )


def short_dtypes(names: Iterable[str]) -> str:
    return "+".join(SHORT.get(name, name) for name in names)


def rank_words(ranks: tuple[int, ...]) -> str:
    if not ranks:
        return ""
    return f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {ranks[0]} to {ranks[-1]}"


def size_words(size: int) -> str:
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 2**10:.1f} KiB"
