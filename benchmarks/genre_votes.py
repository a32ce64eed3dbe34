"""Can whoever looks tell individuals apart in every genre? True ones and strangers of the class.

    python benchmarks/genre_votes.py make    # sealed sheets for voters, and their key
    python benchmarks/genre_votes.py tally   # votes and judges, genre by genre: docs/judges.md

Individuals of the test split beside five photos of them, one picture in each genre, which is true
or of a stranger by the toss of a coin: a pair of both would say which is which. It says how much of
what a judge misses nobody could see.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import machine, save
from pages import fill_pages

from lorarium.evaluation.judges import load_judge
from lorarium.evaluation.vote import (
    Ballot,
    Candidates,
    JudgeVerdicts,
    make_sheets,
    read_key,
    read_sheets,
    read_votes,
    vote_document,
)
from lorarium.evaluation.vote.verdicts import judge_ballots
from lorarium.world.scene import PHOTO, Style, Subject, View, render
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES, numbers

FOLDER = Path("runs/genre-votes")
SPLIT, SEED, SIZE, PHOTOS = "test", 78, 48, 5
INDIVIDUALS = 16
JUDGES = ("a", "b", "reporter")


def ballots() -> list[Ballot]:
    random = np.random.default_rng(SEED)
    classes = random.choice(SEEN_CLASSES, INDIVIDUALS, replace=False)
    return [ballot(str(kind), random) for kind in classes]


def ballot(kind: str, random: np.random.Generator) -> Ballot:
    me, other = (Subject(kind, int(n)) for n in numbers(SPLIT, 2, random))
    views = [View(int(n)) for n in numbers(SPLIT, PHOTOS + len(SEEN_GENRES), random)]
    photographers = [Style(PHOTO, int(n)) for n in numbers(SPLIT, PHOTOS, random)]
    photos = render([me] * PHOTOS, photographers, views[:PHOTOS], SIZE)
    rows = []
    for genre, view in zip(SEEN_GENRES, views[PHOTOS:], strict=True):
        artist = Style(genre, int(numbers(SPLIT, 1, random)[0]))
        name, who = [("true", me), ("strangers", other)][int(random.integers(2))]
        rows.append(Candidates(f"{name} in {genre}", render([who], [artist], [view], SIZE)))
    return Ballot(f"subject-{kind}-{me.number}", "subject", {"subject": photos}, tuple(rows))


def tally() -> None:
    drawn, public = ballots(), read_sheets(FOLDER / "sheets")
    votes = read_votes([FOLDER / "answers"], public)
    verdicts = [judge_ballots(name, load_judge(name), drawn) for name in JUDGES]
    said = vote_document(votes, read_key(FOLDER / "key.json", public), judges=verdicts)
    rates: dict[str, dict[str, float]] = {
        row["source"]: {"votes": round(row["mean"], 4)} for row in said["kinds"]["subject"]["rows"]
    }
    for judge in verdicts:
        for source in rates:
            rates[source][judge.judge] = round(float(np.mean(_verdicts(judge, source))), 4)
    document: dict[str, Any] = {
        "machine": machine(), "individuals": INDIVIDUALS, "judges": JUDGES, "rates": rates,
        "cells": {source: len(_verdicts(verdicts[0], source)) for source in rates},
        "votes": said, "answers": [v.as_json() for v in votes],
    }  # fmt: skip
    print("written to", save("genre_votes", document))
    fill_pages()


def _verdicts(judge: JudgeVerdicts, source: str) -> list[bool]:
    return [v for target in judge.verdicts.values() for v in target.get(source, ())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["make", "tally"])
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.what == "tally":
        tally()
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    sheets = make_sheets(ballots(), FOLDER / "sheets", FOLDER / "key.json", prefix="genres-")
    print(f"{len(sheets)} sheets in {FOLDER / 'sheets'}, the key is {FOLDER / 'key.json'}")


if __name__ == "__main__":
    main()
