"""Blind sheets of what ships today on micro-1, for voters who know nothing of it: docs/votes.md.

    python benchmarks/votes.py draw    # all pictures, cheapest first; run again, it goes on
    python benchmarks/votes.py make    # sheets of what is drawn and on no sheet yet, and their key
    python benchmarks/votes.py judge   # what the judges say of the same pictures
    python benchmarks/votes.py tally   # figures from runs/votes/answers
    python benchmarks/votes.py limits  # the reporter with other limits, on the half for building

With `make --key benchmarks/results/votes/key-1.json` sheets that were voted on are made again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from machine import RESULTS, machine
from pages import fill_pages

from lorarium.bases.base import open_base
from lorarium.evaluation.judges import load_judge
from lorarium.evaluation.vote import (
    Ballot,
    Vote,
    make_sheets,
    read_key,
    read_sheets,
    read_verdicts,
    read_votes,
    sources,
    summary,
    vote_document,
)
from lorarium.evaluation.vote.targets import SEED, vote_targets
from lorarium.evaluation.vote.verdicts import judge_ballots
from lorarium.synthesis.store import load_synth

ROOT = Path(__file__).parent.parent
FOLDER, KEPT = Path("runs/votes"), RESULTS / "votes"
PICTURES = 3
STEPS = 12  # of sampling, as in benchmarks/synth.py and benchmarks/merge.py
PARTS = ("all", "free", "held")
JUDGES = ("a", "b", "reporter")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["draw", "make", "judge", "tally", "limits"])
    parser.add_argument("--only", choices=JUDGES, help="let this judge judge")
    parser.add_argument("--key", type=Path, help="make the sheets of this key again")
    asked = parser.parse_args()
    if asked.what == "make":
        make(asked.key)
    elif asked.what == "judge":
        judge([asked.only] if asked.only else JUDGES)
    else:
        {"draw": draw, "tally": tally, "limits": limits}[asked.what]()


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
    """A further folder of sheets: rows that stand on sheets already are left out, controls not."""
    number = 1 + len(list(FOLDER.glob("key-*.json")))
    ballots, seed = drawn_ballots(), None
    if key is not None:
        document = json.loads(key.read_text("utf-8"))
        seed, number = document["seed"], int(key.stem.rpartition("-")[2])
        ballots = as_voted(ballots, document["sheets"].values())
    else:
        for past in FOLDER.glob("key-*.json"):
            ballots = not_voted(ballots, json.loads(past.read_text("utf-8"))["sheets"].values())
    folder, sealed = FOLDER / f"sheets-{number}", FOLDER / f"key-{number}.json"
    sheets = make_sheets(ballots, folder, sealed, seed=seed, prefix="abcdefgh"[number - 1] + "-")
    print(f"{len(sheets)} sheets in {folder}, the key is {sealed}")


def as_voted(ballots: list[Ballot], entries: Iterable[dict[str, Any]]) -> list[Ballot]:
    """Only the rows that stand on these sheets: more may have been drawn since."""
    seen = sources_on(entries)
    return [
        replace(b, rows=tuple(row for row in b.rows if row.source in seen[b.target]))
        for b in ballots if b.target in seen
    ]  # fmt: skip


def not_voted(ballots: list[Ballot], entries: Iterable[dict[str, Any]]) -> list[Ballot]:
    """The rows that do not stand on these sheets, and controls beside them."""
    seen = sources_on(entries)
    fresh = [
        replace(b, rows=tuple(
            row for row in b.rows
            if row.expected is not None or row.source not in seen.get(b.target, ())
        ))
        for b in ballots
    ]  # fmt: skip
    return [b for b in fresh if any(row.expected is None for row in b.rows)]


def sources_on(entries: Iterable[dict[str, Any]]) -> dict[str, set[str]]:
    seen: dict[str, set[str]] = {}
    for entry in entries:
        names = {cell["source"] for cell in entry["cells"].values()}
        seen.setdefault(entry["target"], set()).update(names)
    return seen


def judge(names: Iterable[str]) -> None:
    ballots = drawn_ballots()
    KEPT.mkdir(parents=True, exist_ok=True)
    for name in names:
        verdicts = judge_ballots(name, load_judge(name), ballots)
        (KEPT / f"judge-{name}.json").write_text(json.dumps(asdict(verdicts)) + "\n")


def tally() -> None:
    """The figures, and all that they come from beside them."""
    KEPT.mkdir(parents=True, exist_ok=True)
    folders = {
        key: read_sheets(FOLDER / key.stem.replace("key", "sheets"))
        for key in sorted(FOLDER.glob("key-*.json"))
    }
    public = {name: sheet for sheets in folders.values() for name, sheet in sheets.items()}
    votes = read_votes([FOLDER / "answers"], public)
    voted, sealed = {vote.sheet for vote in votes}, dict[str, Any]()
    for key, sheets in folders.items():
        if not voted & set(sheets):  # nobody has looked yet: the key stays where it is
            continue
        sealed |= read_key(key, sheets)
        name = key.stem.replace("key", "sheets")
        shutil.copy(key, KEPT / key.name)
        shutil.copy(FOLDER / name / "sheets.json", KEPT / f"{name}.json")
    lines = ",\n".join(json.dumps(vote.as_json()) for vote in votes)
    (KEPT / "answers.json").write_text(f"[\n{lines}\n]\n")
    judges = [
        read_verdicts(path) for name in JUDGES if (path := KEPT / f"judge-{name}.json").exists()
    ]
    document = {
        "command": "python benchmarks/votes.py tally", "machine": machine(),
        "drawn": {"pictures": PICTURES, "sampling steps": STEPS, "seed": SEED},
        "parts": {part: vote_document(votes, sealed, part=part, judges=judges) for part in PARTS},
    }  # fmt: skip
    (KEPT / "tally.json").write_text(json.dumps(document, indent=1) + "\n")
    print(summary(document["parts"]["all"]))
    fill_pages()


def limits() -> None:
    """What votes say of the reporter's limits: those of strokes left out, likeness asked higher."""
    judge, ballots = load_judge("reporter"), drawn_ballots()
    usual = judge.thresholds
    others = {
        "as it ships": judge,
        "fineness not asked for": replace(judge, fineness=None),
        "no limits of strokes": replace(judge, strokes=None, strangest=None),
        "0.02 more for artists": replace(
            judge, thresholds=replace(usual, style=usual.style + 0.02)
        ),
        "0.02 more for individuals": replace(
            judge, thresholds=replace(usual, subject=usual.subject + 0.02)
        ),
    }
    votes, sealed = kept_votes()
    rows = {
        name: vote_document(votes, sealed, part="free", judges=[judge_ballots(name, one, ballots)])
        for name, one in others.items()
    }
    document = {
        name: {
            kind: {what: figures[what] for what in ("kappa with the majority", "mean difference")}
            for kind, figures in row["judges"][0]["kinds"].items()
        }
        for name, row in rows.items()
    }
    print(json.dumps(document, indent=1))
    (KEPT / "limits.json").write_text(
        json.dumps({"command": "python benchmarks/votes.py limits", "machine": machine(),
                    "part": "free", "rows": document}, indent=1) + "\n"
    )  # fmt: skip
    fill_pages()


def kept_votes() -> tuple[list[Vote], dict[str, Any]]:
    """What was voted, and the keys, from the results."""
    public: dict[str, Any] = {}
    sealed: dict[str, Any] = {}
    for path in sorted(KEPT.glob("sheets-*.json")):
        public |= {sheet["sheet"]: sheet for sheet in json.loads(path.read_text())["sheets"]}
    for path in sorted(KEPT.glob("key-*.json")):
        sealed |= json.loads(path.read_text())["sheets"]
    return read_votes([KEPT / "answers.json"], public), sealed


if __name__ == "__main__":
    main()
