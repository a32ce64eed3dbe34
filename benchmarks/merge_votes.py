"""Do voters take what merges of two, and of three, draw for the one subject in the one style?

    python benchmarks/merge_votes.py draw ZOO [--base micro-2]    # merge and draw; it goes on
    python benchmarks/merge_votes.py make ZOO                     # sealed sheets, and their key
    python benchmarks/merge_votes.py tally ZOO                    # judges' rates beside the votes'

Cells of the test split of a merge zoo, every subject and style once. In the crowds one more style's
adapter is merged in, under another word, that nobody asks for. Controls are true renders,
strangers, and the one right with the other wrong. The networks are the base's, as `lorarium adopt`
made them: where its folder does not lie among the adopted, LORARIUM_BASES names the one above it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from machine import machine, save
from pages import fill_pages

from lorarium.bases.base import Base, open_base
from lorarium.bases.rounded import rounded
from lorarium.evaluation.base_checks import reference_pictures
from lorarium.evaluation.describe.zoo import Zoo, read_zoo
from lorarium.evaluation.judges import load_judge
from lorarium.evaluation.merge.cells import Cell, crowded, members, table
from lorarium.evaluation.merge.rows import CONTROLS as ROWS
from lorarium.evaluation.merge.rows import MERGES, MergeContender, draw
from lorarium.evaluation.vote import make_sheets, read_key, read_sheets, read_votes, vote_document
from lorarium.evaluation.vote.ballots import Ballot, Candidates
from lorarium.evaluation.vote.sources import CONTROLS, PictureStore, draw_merged
from lorarium.evaluation.vote.targets import cell_name
from lorarium.evaluation.vote.verdicts import judge_ballots

FOLDER = Path("runs/merge-votes")
PAIRS, CROWDS, PICTURES, STEPS, NOISE = 8, 4, 3, 12, 7
JOINT = "joint training"
OF_TWO = ("sum", "ties", "ssr", "np-lora", "ziplora", "lora-rar", "roles")
OF_THREE = ("sum", "ssr", "np-lora", "roles")
JUDGES = ["b", "reporter"]


def cells(zoo: Zoo) -> tuple[list[Cell], list[Cell]]:
    """Pairs, and crowds of others."""
    sides = [members(zoo, kind, "test", PAIRS + CROWDS) for kind in ("subject", "style")]
    every = {(c.subject, c.style): c for c in table(zoo, *sides)}
    chosen = [every[i, (5 * i + 2) % len(sides[1])] for i in range(len(sides[0]))]
    return chosen[:PAIRS], crowded(zoo, chosen[PAIRS:], ["style"], "test")


def drawn(zoo: Zoo, where: str) -> None:
    base = open_base(where)
    store = PictureStore(FOLDER / "drawn", base, STEPS)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "base.json").write_text(json.dumps({"name": where, "hash": base.hash}))
    rows = {row.name: row for row in (*MERGES, *ROWS)}
    with rounded(base):
        for some, names in zip(cells(zoo), (OF_TWO, OF_THREE), strict=True):
            draw_merged(store, some, (), PICTURES)
            for cell in some:
                for name in (*names, JOINT):
                    store.keep(cell_name(cell), name, pictures_of, rows[name], cell, base)
                print(cell_name(cell), flush=True)


def pictures_of(row: MergeContender, cell: Cell, base: Base) -> np.ndarray:
    return draw(row, cell, base, PICTURES, STEPS, NOISE).pictures


def ballots(zoo: Zoo) -> list[Ballot]:
    base = open_base(json.loads((FOLDER / "base.json").read_text())["name"])
    store = PictureStore(FOLDER / "drawn", base, STEPS)
    made = []
    for some, names in zip(cells(zoo), (OF_TWO, OF_THREE), strict=True):
        for cell in some:
            references = {
                entry.kind: reference_pictures(entry, base.size) for entry in cell.entries
            }
            rows = _rows(store, cell_name(cell), (*names, JOINT), " of three" * bool(cell.others))
            made.append(Ballot(cell_name(cell), "merge", references, rows, False))
    return made


def _rows(
    store: PictureStore, target: str, names: Sequence[str], among: str
) -> tuple[Candidates, ...]:
    rows = []
    for name in (*CONTROLS["merge"], *names):
        pictures = store.get(target, name)
        if pictures is None:
            raise SystemExit(f"{name} of {target} is not drawn yet: run draw")
        control = CONTROLS["merge"].get(name)
        rows.append(Candidates(name if control else name + among, pictures, control))
    return tuple(rows)


def make(zoo: Zoo) -> None:
    sheets = make_sheets(ballots(zoo), FOLDER / "sheets", FOLDER / "key.json", prefix="merges-")
    print(f"{len(sheets)} sheets in {FOLDER / 'sheets'}, the key is {FOLDER / 'key.json'}")


def tally(zoo: Zoo) -> None:
    every, public = ballots(zoo), read_sheets(FOLDER / "sheets")
    votes = read_votes([FOLDER / "answers"], public)
    key = read_key(FOLDER / "key.json", public)
    verdicts = [judge_ballots(name, load_judge(name), every) for name in JUDGES]
    document = {
        "machine": machine(), "base": json.loads((FOLDER / "base.json").read_text()),
        "cells": [b.target for b in every],
        "judges": JUDGES, "votes": vote_document(votes, key, judges=verdicts),
        "answers": [v.as_json() for v in votes],
    }  # fmt: skip
    print(json.dumps(document["votes"], indent=1)[:6000])
    print("written to", save("merge_votes", document))
    fill_pages()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["draw", "make", "tally"])
    parser.add_argument("zoo", type=Path)
    parser.add_argument("--base", default="micro-2")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    zoo = read_zoo(asked.zoo)
    if asked.what == "draw":
        drawn(zoo, asked.base)
    else:
        {"make": make, "tally": tally}[asked.what](zoo)


if __name__ == "__main__":
    main()
