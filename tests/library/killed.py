"""A program that is killed again and again while it moves files: `python killed.py FOLDER COUNT`.

Prints one JSON line for each kill: what ran, how many files were where, and what was wrong.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from lorarium.library.journal import AWAY, HOME, Journal, Move

FILES = 16


def work(journal: Journal, action: str) -> None:
    for _, problem in getattr(journal, action)():
        assert not problem, problem


def wrong(journal: Journal) -> tuple[list[str], int]:
    """What the journal does not know or what was lost; and how many files are away."""
    problems = []
    away = 0
    for number, (move, place) in enumerate(zip(journal.moves(), journal.places(), strict=True)):
        held = [p for p in (move.home, move.away) if os.path.exists(p)]
        for path in held:
            if Path(path).read_bytes() != content(number):
                problems.append(f"{path} is not what it was")
        if place not in (HOME, AWAY) or (move.home if place == HOME else move.away) not in held:
            problems.append(f"file {number} is {held}, the journal says {place}")
        away += place == AWAY
    return problems, away


def content(number: int) -> bytes:
    return f"file {number} ".encode() * (100 + number)


def main(folder: Path, count: int) -> None:
    moves = []
    for number in range(FILES):
        home = folder / f"loras{number % 3}" / f"{number}.safetensors"
        home.parent.mkdir(exist_ok=True)
        home.write_bytes(content(number))
        moves.append(Move(str(home), str(folder / "trash" / "run" / f"{number}" / home.name)))
    journal = Journal.begin(folder / "trash" / "run.journal", moves)
    began = time.perf_counter()
    work(journal, "apply")
    long = time.perf_counter() - began
    chance = random.Random(0)
    action = "undo"
    for _ in range(count):
        child = os.fork()
        if not child:
            work(journal, action)
            os._exit(0)
        time.sleep(chance.uniform(0, 1.1 * long))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        problems, away = wrong(journal)
        ended = not os.WIFSIGNALED(status)
        print(json.dumps({"action": action, "ended": ended, "away": away, "wrong": problems}))
        if ended or chance.random() < 0.5:  # else the same again, from where it was
            action = "apply" if action == "undo" else "undo"
    work(journal, "undo")
    print(json.dumps({"action": "all", "ended": True, "away": wrong(journal)[1], "wrong": []}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
