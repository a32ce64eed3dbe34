"""Blind sheets of what ships today on micro-1, for voters who know nothing of it: docs/votes.md.

    python benchmarks/votes.py draw

Drawn pictures are kept in `runs/votes/drawn`; run again, it goes on with them.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from lorarium.evaluate.vote import sources
from lorarium.evaluate.vote.sheets import make_sheets
from lorarium.evaluate.vote.targets import vote_targets
from lorarium.models.base import open_base
from lorarium.synth.store import load_synth

FOLDER = Path("runs/votes")
PICTURES = 3
STEPS = 12  # of sampling, as in benchmarks/synth.py and benchmarks/merge.py


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["draw", "make"])
    {"draw": draw, "make": make}[parser.parse_args().what]()


def draw() -> None:
    """Cheapest first: sheets can be made of what is there."""
    base = open_base()
    loras = FOLDER / "loras"
    loras.mkdir(parents=True, exist_ok=True)
    who = vote_targets(base.size, loras, pictures=PICTURES)
    store = sources.PictureStore(FOLDER / "drawn", base, STEPS)

    def say(words: str) -> None:
        print(f"{time.process_time():.0f} s: {words}", flush=True)

    sources.draw_plain(store, who, load_synth(base=base))
    say("all that needs no training")
    shallow = [t for t in who.targets if t.name not in who.deep]
    for start in range(0, len(who.deep), sources.TOGETHER):
        deep = [who.named(name) for name in who.deep[start : start + sources.TOGETHER]]
        sources.train(base, deep, loras, sources.CHECKPOINTS[-1], say)
        sources.draw_trained(store, deep, loras, sources.CHECKPOINTS)
        cells = [c for c in who.cells if all(path.exists() for path in c.paths)]
        sources.draw_merged(store, cells, sources.MERGED, PICTURES)
        say(f"{len(cells)} merges")
    sources.train(base, shallow, loras, sources.SHORT[-1], say)
    sources.draw_trained(store, shallow, loras, sources.SHORT)
    say("short checkpoints")
    some = [c for c in who.cells if c.subject % 3 == c.style % 3]
    sources.draw_merged(store, some, [sources.SLOW], PICTURES)
    say("ziplora")


def make() -> None:
    """Sheets of all that is drawn, and their key."""
    base = open_base()
    who = vote_targets(base.size, FOLDER / "loras", pictures=PICTURES)
    store = sources.PictureStore(FOLDER / "drawn", base, STEPS)
    made = make_sheets(sources.ballots(store, who), FOLDER / "sheets", FOLDER / "key.json")
    print(f"{len(made)} sheets in {FOLDER / 'sheets'}, the key beside it")


if __name__ == "__main__":
    main()
