"""Blind sheets of what ships today on micro-1, for voters who know nothing of it: docs/votes.md.

    python benchmarks/votes.py draw    # all pictures, cheapest first; run again, it goes on
    python benchmarks/votes.py make    # sheets of what is drawn, and their key
    python benchmarks/votes.py judge   # what judges A and B say of the same pictures
    python benchmarks/votes.py tally   # figures from runs/votes/answers

With `make --key benchmarks/results/votes/key.json` the sheets that were voted on are made again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path

from machine import RESULTS, machine

from lorarium.evaluate.judges import load_judge
from lorarium.evaluate.vote import (
    Ballot,
    count_votes,
    make_sheets,
    read_sheets,
    read_votes,
    sources,
    summary,
)
from lorarium.evaluate.vote.targets import vote_targets
from lorarium.evaluate.vote.verdicts import judge_ballots
from lorarium.models.base import open_base
from lorarium.synth.store import load_synth

FOLDER, KEPT = Path("runs/votes"), RESULTS / "votes"
PICTURES = 3
STEPS = 12  # of sampling, as in benchmarks/synth.py and benchmarks/merge.py
PARTS = ("all", "free", "held")
JUDGES = ("a", "b")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["draw", "make", "judge", "tally"])
    parser.add_argument("--key", type=Path, help="make the sheets of this key again")
    asked = parser.parse_args()
    if asked.what == "make":
        make(asked.key)
    else:
        {"draw": draw, "judge": judge, "tally": tally}[asked.what]()


def draw() -> None:
    base = open_base()
    loras = FOLDER / "loras"
    loras.mkdir(parents=True, exist_ok=True)
    targets = vote_targets(base.size, pictures=PICTURES)
    store = sources.PictureStore(FOLDER / "drawn", base, STEPS)

    def say(words: str) -> None:
        print(f"{time.process_time():.0f} s: {words}", flush=True)

    sources.draw_plain(store, targets, load_synth(base=base))
    say("all that needs no training")
    sources.draw_library(store, targets)
    say("the sample library")
    sources.draw_merged(store, targets.cells, sources.MERGED, PICTURES)
    say(f"{len(targets.cells)} merges")
    for start in range(0, len(targets.deep), sources.TOGETHER):
        deep = [targets.named(name) for name in targets.deep[start : start + sources.TOGETHER]]
        sources.train(base, deep, loras, sources.CHECKPOINTS[-1], say)
        sources.draw_trained(store, deep, loras, sources.CHECKPOINTS)
        say(f"checkpoints of {', '.join(t.name for t in deep)}")
    shallow = [t for t in targets.targets if t.name not in targets.deep]
    sources.train(base, shallow, loras, sources.SHORT[-1], say)
    sources.draw_trained(store, shallow, loras, sources.SHORT)
    say("short checkpoints")
    some = [c for c in targets.cells if c.subject % 3 == c.style % 3]
    sources.draw_merged(store, some, [sources.SLOW], PICTURES)
    say("ziplora")


def drawn_ballots() -> list[Ballot]:
    base = open_base()
    store = sources.PictureStore(FOLDER / "drawn", base, STEPS)
    return sources.ballots(store, vote_targets(base.size, pictures=PICTURES))


def make(key: Path | None) -> None:
    ballots, seed = drawn_ballots(), None
    if key is not None:
        document = json.loads(key.read_text("utf-8"))
        seed = document["seed"]
        ballots = as_voted(ballots, document["sheets"].values())
    sheets = make_sheets(ballots, FOLDER / "sheets", FOLDER / "key.json", seed=seed)
    print(f"{len(sheets)} sheets in {FOLDER / 'sheets'}, the key beside it")


def as_voted(ballots: list[Ballot], entries: object) -> list[Ballot]:
    """Only the rows that stand on these sheets: more may have been drawn since."""
    seen: dict[str, set[str]] = {}
    for entry in entries:
        names = {cell["source"] for cell in entry["cells"].values()}
        seen.setdefault(entry["target"], set()).update(names)
    return [
        replace(b, rows=tuple(row for row in b.rows if row.source in seen[b.target]))
        for b in ballots if b.target in seen
    ]  # fmt: skip


def judge() -> None:
    ballots = drawn_ballots()
    KEPT.mkdir(parents=True, exist_ok=True)
    for name in JUDGES:
        verdicts = judge_ballots(name, load_judge(name), ballots)
        (KEPT / f"judge-{name}.json").write_text(json.dumps(asdict(verdicts)) + "\n")


def tally() -> None:
    """The figures, and all that they come from beside them."""
    sheets, key, answers = FOLDER / "sheets", FOLDER / "key.json", FOLDER / "answers"
    KEPT.mkdir(parents=True, exist_ok=True)
    votes = read_votes([answers], read_sheets(sheets))
    lines = ",\n".join(json.dumps(vote.as_json()) for vote in votes)
    (KEPT / "answers.json").write_text(f"[\n{lines}\n]\n")
    shutil.copy(key, KEPT / "key.json")
    shutil.copy(sheets / "sheets.json", KEPT / "sheets.json")
    judges = [path for name in JUDGES if (path := KEPT / f"judge-{name}.json").exists()]
    document = {
        "command": "python benchmarks/votes.py tally", "machine": machine(),
        "parts": {
            part: count_votes(sheets, [answers], key, part=part, judges=judges) for part in PARTS
        },
    }  # fmt: skip
    (KEPT / "tally.json").write_text(json.dumps(document, indent=1) + "\n")
    print(summary(document["parts"]["all"]))


if __name__ == "__main__":
    main()
