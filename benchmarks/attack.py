"""Do reporters hold against what was optimised against a trainer? docs/judges.md

    python benchmarks/attack.py draw    # 300 steps against judge A on ten targets; it goes on
    python benchmarks/attack.py make    # a sealed sheet for voters, and its key
    python benchmarks/attack.py tally   # judges' rates, and the votes' where there are any

Artists and individuals are of the validation split, or of `--split test` for what no limit was set
on. Controls are true renders and strangers. Tallies of several seeds stand side by side.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ballot_rates import ballots_of, rates
from machine import RESULTS, machine, save
from pages import fill_pages

from lorarium.bases.base import open_base
from lorarium.evaluation.attack import STEPS, attacked
from lorarium.evaluation.judges import load_judge
from lorarium.evaluation.synth.targets import Target, style_targets, subject_targets
from lorarium.evaluation.vote import (
    Ballot,
    make_sheets,
    read_key,
    read_sheets,
    read_votes,
    vote_document,
)
from lorarium.evaluation.vote.sources import STRANGER, TRUE, PictureStore
from lorarium.evaluation.vote.targets import strangers_of
from lorarium.evaluation.vote.verdicts import judge_ballots
from lorarium.formats import read, write

SAMPLING, PICTURES, EACH = 12, 3, 5
SEED = 31
RESULT = RESULTS / "attack.json"
ATTACK = "optimised against judge {}"


def folder_of(seed: int) -> Path:
    return Path(f"runs/attack/{seed}")


def targets(size: int, seed: int, split: str) -> list[Target]:
    artists = style_targets(split, 1, PICTURES, size, seed=seed, max_artists=EACH)
    people = subject_targets(split, EACH, PICTURES, size, seed=seed)
    turns = zip([a for a in artists if not a.hard], people, strict=True)
    return [t for pair in turns for t in pair]


def draw(trainer: str, seed: int, split: str) -> None:
    base = open_base()
    net, everyone = load_judge(trainer).net, targets(base.size, seed, split)
    folder = folder_of(seed)
    store = PictureStore(folder / "drawn", base, SAMPLING)
    (folder / "loras").mkdir(parents=True, exist_ok=True)
    for i, t in enumerate(everyone):
        store.keep(t.name, TRUE, np.asarray, t.true)
        store.keep(t.name, STRANGER, strangers_of, t, range(PICTURES))
        path = folder / "loras" / f"{t.name}-{trainer}.safetensors"
        if not path.exists():
            started = time.process_time()
            made = attacked(base, net, t, seed=seed + i, say=lambda w: print(w, flush=True))
            write(made, path)
            print(f"{t.name}: {time.process_time() - started:.0f} s", flush=True)
        store.keep(t.name, ATTACK.format(trainer), lambda t=t, p=path: store.sampled(t, read(p)))


def ballots(trainer: str, seed: int, split: str) -> list[Ballot]:
    base = open_base()
    store = PictureStore(folder_of(seed) / "drawn", base, SAMPLING)
    names = (TRUE, STRANGER, ATTACK.format(trainer))
    return ballots_of(store, targets(base.size, seed, split), names)


def make(trainer: str, seed: int, split: str) -> None:
    folder, key = (folder_of(seed) / name for name in (f"sheets-{trainer}", f"key-{trainer}.json"))
    sheets = make_sheets(ballots(trainer, seed, split), folder, key, prefix=f"attack-{trainer}-")
    print(f"{len(sheets)} sheets in {folder}, the key is {key}")


def tally(trainer: str, seed: int, split: str, reporters: list[str]) -> None:
    drawn, folder = ballots(trainer, seed, split), folder_of(seed)
    verdicts = [judge_ballots(n, load_judge(n), drawn) for n in (trainer, *reporters)]
    rows = rates(drawn, verdicts)
    audit: dict[str, Any] = {
        "trainer": trainer, "split": split, "reporters": reporters, "steps": STEPS,
        "targets": [b.target for b in drawn], "pictures": PICTURES, "rows": rows,
    }  # fmt: skip
    key, answers = folder / f"key-{trainer}.json", folder / "answers"
    if key.exists() and answers.is_dir() and any(answers.iterdir()):
        public = read_sheets(folder / f"sheets-{trainer}")
        votes = read_votes([answers], public)
        audit["votes"] = vote_document(votes, read_key(key, public), judges=verdicts)
        audit["answers"] = [v.as_json() for v in votes]
        audit["verdicts"] = [asdict(v) for v in verdicts]
    print(json.dumps(rows, indent=1))
    document = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    document["audits"] = {**document.get("audits", {}), str(seed): audit}
    print("written to", save("attack", {"machine": machine(), "audits": document["audits"]}))
    fill_pages()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["draw", "make", "tally"])
    parser.add_argument("--trainer", default="a", help="the judge that is learned from")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--split", choices=["validation", "test"], default="validation")
    parser.add_argument("--reporter", action="append", dest="reporters")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.what == "tally":
        tally(asked.trainer, asked.seed, asked.split, asked.reporters or ["b", "reporter"])
    else:
        {"draw": draw, "make": make}[asked.what](asked.trainer, asked.seed, asked.split)


if __name__ == "__main__":
    main()
