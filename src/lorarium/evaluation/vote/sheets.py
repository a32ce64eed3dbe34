"""Blind sheets from ballots: cells in random order, a public list of them, and a sealed key.

The public list (`sheets.json`, beside the pictures) has a hash of every sheet's key. The key is
another file, which lies elsewhere until all have voted; its salt keeps it from being guessed.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lorarium.errors import LorariumError
from lorarium.evaluation.vote.ballots import Ballot, check_ballot
from lorarium.evaluation.vote.kinds import Kind
from lorarium.evaluation.vote.layout import TILE, capacity, draw_sheet
from lorarium.formats.target import write_atomically
from lorarium.pictures import write_png

FORMAT, KEY_FORMAT = "lorarium-sheets/1", "lorarium-key/1"
PUBLIC = "sheets.json"
Json = dict[str, Any]
Cell = tuple[tuple[int, int], ...]  # row and picture of the one picture, or of A and B


def make_sheets(
    ballots: Sequence[Ballot], folder: Path, key: Path, *, seed: int | None = None,
    tile: int = TILE, prefix: str = "",
) -> list[Json]:  # fmt: skip
    """Draw the sheets of all ballots into an empty folder and write the key; their public
    descriptions. The same `seed` draws the same sheets with the same key; without one it is drawn
    where nobody can guess it. A `prefix` tells the sheets of several folders apart.

    >>> make_sheets([Ballot("ink-3", "style", {"style": refs}, rows)], Path("blind"), Path("key"))
    """
    _refuse_used(folder, key)
    seed = secrets.randbits(64) if seed is None else seed
    random = np.random.default_rng(seed)
    kinds = [check_ballot(ballot) for ballot in ballots]
    _refuse_twins(ballots)
    plans = [
        (ballot, kind, cells)
        for ballot, kind in zip(ballots, kinds, strict=True)
        for cells in deal(ballot, kind, capacity(tile, len(ballot.references), kind.paired), random)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    numbers: dict[str, int] = {}
    public, sealed = [], {}
    for i in random.permutation(len(plans)):  # the names of sheets tell nothing of their targets
        ballot, kind, cells = plans[i]
        numbers[kind.name] = numbers.get(kind.name, 0) + 1
        name = f"{prefix}{kind.name}-{numbers[kind.name]:02d}"
        entry = key_entry(ballot, kind, cells, salt=random.bytes(16).hex())
        sealed[name] = entry
        pictures = [[ballot.rows[row].pictures[n] for row, n in cell] for cell in cells]
        sheet, boxes = draw_sheet(ballot.references, kind.references, pictures, tile)
        write_png(folder / f"{name}.png", sheet)
        public.append({
            "sheet": name, "kind": kind.name, "picture": f"{name}.png", "question": kind.question,
            "answers": list(kind.answers),
            "cells": {str(n + 1): list(asdict(box).values()) for n, box in enumerate(boxes)},
            "key": hash_of(entry),
        })  # fmt: skip
    public.sort(key=lambda sheet: str(sheet["sheet"]))
    sheets = dict(sorted(sealed.items()))
    _write(key, {"format": KEY_FORMAT, "seed": seed, "tile": tile, "sheets": sheets})
    _write(folder / PUBLIC, {"format": FORMAT, "sheets": public})
    return public


def deal(
    ballot: Ballot, kind: Kind, max_cells: int, random: np.random.Generator
) -> list[list[Cell]]:
    """The cells of a ballot on as few sheets as hold them, each with its share of every row, in
    random order; pairs of one picture's number, sides at random."""
    groups: list[list[Cell]] = []
    if kind.paired:
        for a, b in itertools.combinations(range(len(ballot.rows)), 2):
            count = min(len(ballot.rows[a].pictures), len(ballot.rows[b].pictures))
            groups.append([
                ((a, n), (b, n)) if random.random() < 0.5 else ((b, n), (a, n))
                for n in range(count)
            ])  # fmt: skip
    else:
        groups = [[((r, n),) for n in range(len(row.pictures))]
                  for r, row in enumerate(ballot.rows)]  # fmt: skip
    mixed = [group[i] for group in groups for i in random.permutation(len(group))]
    count = -(-len(mixed) // max_cells)
    dealt = [mixed[i::count] for i in range(count)]
    return [[cells[i] for i in random.permutation(len(cells))] for cells in dealt]


def key_entry(ballot: Ballot, kind: Kind, cells: Sequence[Cell], *, salt: str) -> Json:
    """What is sealed of one sheet."""
    rows = ballot.rows

    def of(row: int, picture: int) -> Json:
        held: Json = {"source": rows[row].source, "picture": picture}
        return held if rows[row].expected is None else held | {"expected": rows[row].expected}

    return {
        "salt": salt, "target": ballot.target, "kind": kind.name,
        "held": ballot.held,
        "cells": {
            str(n + 1): {"a": of(*cell[0]), "b": of(*cell[1])} if kind.paired else of(*cell[0])
            for n, cell in enumerate(cells)
        },
    }  # fmt: skip


def hash_of(entry: Json) -> str:
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _write(path: Path, document: Json) -> None:
    """JSON with a line for each sheet."""
    head = json.dumps({name: value for name, value in document.items() if name != "sheets"})[:-1]
    sheets = document["sheets"]
    if isinstance(sheets, dict):
        lines = [f" {json.dumps(name)}: {json.dumps(entry)}" for name, entry in sheets.items()]
        body = "{\n" + ",\n".join(lines) + "\n}"
    else:
        body = "[\n" + ",\n".join(f" {json.dumps(entry)}" for entry in sheets) + "\n]"
    write_atomically(path, [f'{head}, "sheets": {body}}}\n'.encode()])


def _refuse_used(folder: Path, key: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LorariumError("not an empty folder", where=str(folder), hint="name a new one")
    if key.exists():
        raise LorariumError("there is a key already", where=str(key), hint="name a new one")
    if key.resolve().is_relative_to(folder.resolve()):
        hint = "whoever votes sees that folder"
        raise LorariumError("the key must lie outside of the sheets", where=str(key), hint=hint)


def _refuse_twins(ballots: Sequence[Ballot]) -> None:
    names = [(ballot.kind, ballot.target) for ballot in ballots]
    if not names:
        raise LorariumError("nothing to vote on")
    if len(set(names)) < len(names):
        raise LorariumError("two ballots have one target and kind")
