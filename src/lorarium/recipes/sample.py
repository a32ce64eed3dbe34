"""The stage `sample`: the adapters of the zoo that ship, as the sample library.

Artists and individuals of the test split, some of them more than once so that they have relatives;
chosen by the manifest alone, in half precision. `python -m lorarium.recipes.sample FOLDER` packs
another minted folder.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from lorarium.bases.micro_base import load_micro
from lorarium.cli import fail
from lorarium.errors import LorariumError
from lorarium.evaluation.describe.zoo import RANDOM, Zoo, read_zoo
from lorarium.formats import read, write
from lorarium.library.samples import CARD, FOLDER, FORMAT, Sample, sample
from lorarium.recipes import zoo as zoo_stage
from lorarium.recipes.describe import mark
from lorarium.recipes.timebox import ENDLESS, TimeBox
from lorarium.recipes.workplace import RUNS
from lorarium.training.manifest import Entry
from lorarium.training.mint import path_of

MAX_ADAPTERS, ROOM = 60, 13 * 2**20  # adapters, and bytes of all of them
CLASSES = 8  # of which an individual is taken
OWN_START = 2  # the copy of the usual recipe that began at random numbers of its own


def run(device: str, minutes: float) -> None:
    """Pack `runs/zoo`, all of it or nothing; nothing of it runs on a device."""
    pack_and_say(RUNS / zoo_stage.FOLDER, TimeBox(minutes))


def due() -> bool:
    """While the zoo is whole and what ships was not taken from it."""
    zoo = zoo_stage.complete_zoo()
    if zoo is None:
        return False
    try:
        sample(FOLDER)
        return bool(json.loads((FOLDER / CARD).read_text("utf-8"))["zoo"] != mark(zoo))
    except LorariumError:
        return True


def pack_and_say(folder: Path, box: TimeBox = ENDLESS) -> None:
    made = pack(read_zoo(folder), FOLDER, load_micro().hash, box=box)
    size = sum(one.path.stat().st_size for one in made.adapters)
    print(f"{len(made.adapters)} adapters, {size / 2**20:.1f} MiB, in {made.folder}", flush=True)


def pack(
    zoo: Zoo, out: Path, base_hash: str, *, split: str = "test", box: TimeBox = ENDLESS
) -> Sample:
    """Write the chosen adapters and their card beside `out`, then put them in its place."""
    if zoo.base_hash != base_hash:
        what = f"minted on the base {zoo.base_hash[:12]}, the shipped one is {base_hash[:12]}"
        raise LorariumError(what, where=str(zoo.folder), hint="mint it again")
    fresh = out.with_name(out.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        _write(zoo, fresh, base_hash, split, box)
        sample(fresh)
        if out.exists():
            shutil.rmtree(out)
        fresh.rename(out)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return sample(out)


def _write(zoo: Zoo, fresh: Path, base_hash: str, split: str, box: TimeBox) -> None:
    fresh.mkdir(parents=True)
    rows: list[dict[str, object]] = []
    used = 0
    for entry in wanted([e for e in zoo.entries if e.split == split]):
        box.check(f"{len(rows)} adapters were packed, nothing is replaced")
        path = path_of(fresh, entry)
        adapter = read(path_of(zoo.folder, entry))
        tags = {"modelspec.tags": ", ".join((entry.of[0], entry.kind, entry.recipe))}
        write(adapter.with_(metadata={**adapter.metadata, **tags}), path, dtype="fp16")
        if used + path.stat().st_size > ROOM:
            path.unlink()
            continue
        used += path.stat().st_size
        rows.append({"file": path.name, "kind": entry.kind, "of": entry.of,
                     "recipe": entry.recipe, "pictures": entry.pictures})  # fmt: skip
        if len(rows) == MAX_ADAPTERS:
            break
    if not rows:
        raise LorariumError(f"no adapters of the split {split}", where=str(zoo.folder))
    card = {
        "format": FORMAT, "licence": "CC0-1.0", "data": "adapters trained on the drawn world",
        "base_hash": base_hash, "zoo": mark(zoo), "zoo_name": zoo.name, "split": split,
        "adapters": sorted(rows, key=lambda row: str(row["file"])),
    }  # fmt: skip
    (fresh / CARD).write_text(json.dumps(card, indent=1) + "\n", "utf-8")


def wanted(entries: Sequence[Entry]) -> Iterator[Entry]:
    """The most wanted first: an artist of each genre and some individuals, then relatives of these
    (the usual recipe from another start, or another recipe, of some both), then second artists."""
    entries = [e for e in entries if e.recipe != RANDOM]
    styles, subjects = (_first_two(entries, kind) for kind in ("style", "subject"))
    step = max(1, len(subjects) // CLASSES)
    people = [many[0] for many in list(subjects.values())[::step][:CLASSES]]
    artists = [many[0] for many in styles.values()]
    for copies, _ in (*artists, *people):
        yield copies[0]
    for i, (copies, others) in enumerate(artists):
        yield from copies[OWN_START : OWN_START + 1] if i % 2 == 0 else others[:1]
        yield from others[:1] if i % 4 == 0 else ()
    for copies, _ in people[:: CLASSES // 2]:
        yield from copies[OWN_START : OWN_START + 1]
    for many in list(styles.values())[::2]:
        yield from (copies[0] for copies, _ in many[1:])


Copies = tuple[list[Entry], list[Entry]]  # in the usual recipe, in the others


def _first_two(entries: Sequence[Entry], kind: str) -> dict[str, list[Copies]]:
    """Of each genre or class the first two; other recipes from the lowest rank up."""
    by_word: dict[str, dict[int, list[Entry]]] = {}
    for entry in entries:
        if entry.kind == kind:
            by_word.setdefault(entry.of[0], {}).setdefault(entry.of[1], []).append(entry)
    made: dict[str, list[Copies]] = {}
    for word, people in sorted(by_word.items()):
        for number in sorted(people)[:2]:
            members = people[number]
            usual = members[0].recipe
            others = sorted((e for e in members if e.recipe != usual), key=lambda e: e.numbers.rank)
            made.setdefault(word, []).append(([e for e in members if e.recipe == usual], others))
    return made


if __name__ == "__main__":
    try:
        pack_and_say(Path(sys.argv[1]) if sys.argv[1:] else RUNS / zoo_stage.FOLDER)
    except LorariumError as error:
        fail(str(error))
