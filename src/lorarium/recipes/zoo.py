"""The stage `zoo`: mint the core zoo of `zoo.toml` into `runs/zoo`."""

from __future__ import annotations

from pathlib import Path

from lorarium.errors import LorariumError
from lorarium.evaluation.describe.zoo import Zoo, read_zoo
from lorarium.recipes.workplace import RUNS, Workplace
from lorarium.training.manifest import Manifest, read_manifest
from lorarium.training.mint import mint, path_of

FOLDER = "zoo"
RECIPE = Path(__file__).with_name("zoo.toml")
COMMITTED = Path(__file__).with_name("zoo.json")


def manifest() -> Manifest:
    return read_manifest(RECIPE)


def run(place: Workplace, minutes: float) -> None:
    """Mint until done or the time is over; again goes on."""
    mint_into(place, FOLDER, manifest(), minutes)


def mint_into(
    place: Workplace, folder: str, todo: Manifest, minutes: float, *, quick: bool = False,
    batch: int | None = None,
) -> int:  # fmt: skip
    """How many adapters are left to mint when the time is over."""

    def show(done: int, total: int, words: str) -> None:
        print(f"{done}/{total} adapters, {words}", flush=True)

    done = mint(
        todo, place.runs / folder, place.base, resume=True, minutes=minutes, quick=quick,
        batch=batch, progress=show,
    )  # fmt: skip
    print(f"{done.made} made, {done.left} left, {done.seconds:.0f} s", flush=True)
    return done.left


def complete_zoo(runs: Path = RUNS) -> Zoo | None:
    """The zoo once every adapter of it is there: what later stages stand on."""
    try:
        zoo = read_zoo(runs / FOLDER)
    except LorariumError:
        return None
    return None if zoo.missing else zoo


def due() -> bool:
    return any(not path_of(RUNS / FOLDER, entry).exists() for entry in manifest().entries)


if __name__ == "__main__":
    COMMITTED.write_text(manifest().text())
