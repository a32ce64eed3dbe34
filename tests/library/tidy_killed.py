"""`lorarium tidy` as a process that is killed again and again: `tidy_killed.py FOLDER KILLS`.

The folder gets a collection of which a plan moves, renames and converts files. The plan is carried
out and taken back, each time by a process that is killed (SIGKILL) at a random moment. One JSON
line for each kill says what ran, how many files were away, and what was lost or not known of.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lorarium import formats
from lorarium.adapter import Adapter
from lorarium.cli.tidy import command
from lorarium.formats.example import example
from lorarium.library import Library
from lorarium.library.journal import AWAY, SUFFIX, Journal
from lorarium.library.tidy import TRASH
from lorarium.library.tidy_plan import PLAN, Plan

PROGRAM, PATTERN = "comfyui", "{title}"
COPIES, CONVERSIONS, NAMES = 6, 3, 3


def few(a: Adapter, count: int = 2) -> Adapter:
    return a.with_(deltas=dict(list(a.items())[:count]))


def fill(loras: Path) -> None:
    """Copies with what lies beside them, a dead and a broken file, a wrong suffix, files of another
    dialect, and files with a title."""
    loras.mkdir(parents=True)
    for i in range(COPIES):
        formats.write(few(example(family="micro-1", seed=i)), loras / f"a{i}.safetensors")
        shutil.copy2(loras / f"a{i}.safetensors", loras / f"a{i} copy.safetensors")
        (loras / f"a{i} copy.civitai.info").write_text(json.dumps({"name": f"a{i}"}))
    zero = few(example(family="micro-1", seed=50))
    still = zero.with_(deltas={m: replace(d, scale=0.0) for m, d in zero.items()})
    formats.write(still, loras / "zero.safetensors")
    (loras / "broken.safetensors").write_bytes(b"oops" * 100)
    formats.write(few(example(family="micro-1", seed=60)), loras / "torch.safetensors")
    os.rename(loras / "torch.safetensors", loras / "torch.ckpt")
    for i in range(CONVERSIONS):
        other = few(example(family="flux1", seed=70 + i))
        formats.write(other, loras / f"other{i}.safetensors", "kohya")
    for i in range(NAMES):
        about = {"modelspec.title": f"a better name {i}"}
        named = few(example(family="micro-1", seed=80 + i, metadata=about))
        formats.write(named, loras / f"n{i}.safetensors")
        (loras / f"n{i}.txt").write_text(f"words of {i}")


def make(folder: Path) -> None:
    fill(folder / "loras")
    library = Library(folder / "library")
    library.index(folder / "loras", workers=0)
    library.tidy_plan(program=PROGRAM, pattern=PATTERN).save(folder / "library" / PLAN)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@dataclass
class Collection:
    folder: Path
    before: dict[str, bytes]

    @property
    def library(self) -> Path:
        return self.folder / "library"

    def act(self, action: str) -> None:
        """What a person would type."""
        options = ["--yes"] if action == "apply" else []
        words = [f"--{action}", *options, "--library", str(self.library), "--quiet"]
        command.main(words, standalone_mode=False)

    def places(self) -> Iterator[tuple[str, str]]:
        """Files that a journal says are away, and where."""
        for path in sorted((self.library / TRASH).glob("*" + SUFFIX)):
            journal = Journal(path)
            for move, place in zip(journal.moves(), journal.places(), strict=True):
                if place == AWAY:
                    yield move.home, move.away

    def wrong(self) -> tuple[list[str], int]:
        """What is lost, or elsewhere than the journals say; and how many files are away."""
        away: dict[str, list[str]] = {}
        for home, other in self.places():
            away.setdefault(home, []).append(other)
        problems, count = [], 0
        for path, content in self.before.items():
            spots = away.get(path, [path])
            count += path in away
            if not any(Path(s).is_file() and Path(s).read_bytes() == content for s in spots):
                problems.append(f"{path} is not in {spots}")
        return problems, count


def killed_after(work: Any, seconds: float) -> bool:
    """Do it in a process of its own and kill that; whether it was still at work."""
    child = os.fork()
    if not child:
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        try:
            work()
        finally:
            os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def seconds_of(collection: Collection, action: str) -> tuple[float, float]:
    """How long it takes until the files are moved, and as a whole, undisturbed."""
    began = time.perf_counter()
    child = os.fork()
    if not child:
        try:
            collection.act(action)
        finally:
            os._exit(0)
    moved = 0.0
    goal = {path for path, _ in _moves(collection)} if action == "apply" else set()
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        if not moved and {home for home, _ in collection.places()} >= goal and goal:
            moved = time.perf_counter() - began
        time.sleep(0.005)
    whole = time.perf_counter() - began
    return moved or whole, whole


def _moves(collection: Collection) -> list[tuple[str, str]]:
    return [(item.path, item.to) for item in Plan.load(collection.library / PLAN).chosen]


def main(folder: Path, kills: int) -> None:
    # LanceDB's threads do not outlive a fork, so another process makes the library
    subprocess.run([sys.executable, __file__, str(folder)], check=True)
    collection = Collection(folder, contents(folder / "loras"))
    moved, whole = seconds_of(collection, "apply")
    most = collection.wrong()[1]
    chance = random.Random(0)
    action = "undo"
    for _ in range(kills):
        long = whole if chance.random() < 0.2 and action == "apply" else moved
        at = chance.uniform(0, long * (1.05 if action == "apply" else 0.6))  # back is quicker
        stopped = killed_after(lambda a=action: collection.act(a), at)
        problems, away = collection.wrong()
        print(json.dumps({"action": action, "killed": stopped, "after_s": round(at, 4),
                          "away": away, "wrong": problems}), flush=True)  # fmt: skip
        if not stopped or chance.random() < 0.5:  # else the same again, from where it was
            action = "apply" if action == "undo" else "undo"
    while any(True for _ in collection.places()):
        collection.act("undo")
    after = contents(folder / "loras")
    print(json.dumps({"back": after == collection.before, "files": len(after),
                      "chosen": len(_moves(collection)), "away_most": most}))  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) == 2:
        make(Path(sys.argv[1]))
    else:
        main(Path(sys.argv[1]), int(sys.argv[2]))
