"""Do voters take what LoRAs of the usual recipe draw for their artists and individuals?

    python benchmarks/lora_votes.py draw [--base micro-2]    # train and draw; it goes on
    python benchmarks/lora_votes.py make                     # sealed sheets, and their key
    python benchmarks/lora_votes.py tally                    # judges' rates beside the votes'

Five artists and five individuals of the test split, twelve pictures each, what `lorarium train`
does with them when nothing else is asked for. Controls are true renders and strangers.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from ballot_rates import ballots_of, rates
from machine import machine, save
from pages import fill_pages

from lorarium.bases.base import open_base
from lorarium.evaluation.judges import load_judge
from lorarium.evaluation.synth.targets import Target, style_targets, subject_targets
from lorarium.evaluation.vote import make_sheets, read_key, read_sheets, read_votes, vote_document
from lorarium.evaluation.vote.ballots import Ballot
from lorarium.evaluation.vote.sources import STRANGER, TRUE, PictureStore
from lorarium.evaluation.vote.targets import strangers_of
from lorarium.evaluation.vote.verdicts import judge_ballots
from lorarium.formats import read, write
from lorarium.training.fit import fit
from lorarium.training.recipe import Job, defaults, mirrors

FOLDER = Path("runs/lora-votes")
EACH, PICTURES, STEPS, SEED = 5, 3, 20, 41
JUDGES = ["b", "reporter"]
LORA = "a LoRA of the usual recipe"


def targets(size: int) -> list[Target]:
    artists = style_targets("test", 1, PICTURES, size, seed=SEED, max_artists=EACH, held=0)
    return [*artists, *subject_targets("test", EACH, PICTURES, size, seed=SEED)]


def draw(where: str) -> None:
    base = open_base(where)
    store = PictureStore(FOLDER / "drawn", base, STEPS)
    (FOLDER / "loras").mkdir(parents=True, exist_ok=True)
    (FOLDER / "base.json").write_text(json.dumps({"name": where, "hash": base.hash}))
    for kind in ("style", "subject"):
        some = [t for t in targets(base.size) if t.kind == kind]
        paths = [FOLDER / "loras" / f"{t.name}.safetensors" for t in some]
        if not all(path.exists() for path in paths):
            started = time.monotonic()
            prompt = some[0].prompts[0]
            recipe, mirror = defaults(base.family, prompt), mirrors(base.family, prompt)
            jobs = [Job(t.pictures, t.prompts, recipe, SEED + i, mirror=mirror)
                    for i, t in enumerate(some)]  # fmt: skip
            for adapter, path in zip(fit(base, jobs), paths, strict=True):
                write(adapter, path, force=True)
            print(f"{len(some)} of {kind}: {time.monotonic() - started:.0f} s", flush=True)
        for t, path in zip(some, paths, strict=True):
            store.keep(t.name, TRUE, np.asarray, t.true)
            store.keep(t.name, STRANGER, strangers_of, t, range(PICTURES))
            store.keep(t.name, LORA, lambda t=t, path=path: store.sampled(t, read(path)))


def ballots() -> list[Ballot]:
    base = open_base(json.loads((FOLDER / "base.json").read_text())["name"])
    store = PictureStore(FOLDER / "drawn", base, STEPS)
    return ballots_of(store, targets(base.size), (TRUE, STRANGER, LORA))


def make() -> None:
    sheets = make_sheets(ballots(), FOLDER / "sheets", FOLDER / "key.json", prefix="loras-")
    print(f"{len(sheets)} sheets in {FOLDER / 'sheets'}, the key is {FOLDER / 'key.json'}")


def tally() -> None:
    drawn, public = ballots(), read_sheets(FOLDER / "sheets")
    votes = read_votes([FOLDER / "answers"], public)
    verdicts = [judge_ballots(name, load_judge(name), drawn) for name in JUDGES]
    document = {
        "machine": machine(), "base": json.loads((FOLDER / "base.json").read_text()),
        "targets": [b.target for b in drawn], "judges": JUDGES, "rows": rates(drawn, verdicts),
        "votes": vote_document(votes, read_key(FOLDER / "key.json", public), judges=verdicts),
        "answers": [v.as_json() for v in votes],
    }  # fmt: skip
    print(json.dumps(document["rows"], indent=1))
    print("written to", save("lora_votes", document))
    fill_pages()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["draw", "make", "tally"])
    parser.add_argument("--base", default="micro-2")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.what == "draw":
        draw(asked.base)
    else:
        {"make": make, "tally": tally}[asked.what]()


if __name__ == "__main__":
    main()
