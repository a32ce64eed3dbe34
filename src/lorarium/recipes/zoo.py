"""The stage `zoo`: mint the core zoo of `zoo.toml` into `runs/zoo`."""

from __future__ import annotations

from pathlib import Path

from lorarium.bases.base import open_base
from lorarium.errors import LorariumError
from lorarium.evaluation.describe.zoo import Zoo, read_zoo
from lorarium.training.manifest import Manifest, read_manifest
from lorarium.training.mint import mint, path_of

FOLDER = Path("runs/zoo")
RECIPE = Path(__file__).with_name("zoo.toml")
COMMITTED = Path(__file__).with_name("zoo.json")


def manifest() -> Manifest:
    return read_manifest(RECIPE)


def run(device: str, minutes: float) -> None:
    """Mint until done or the time is over; again goes on."""

    def show(done: int, total: int, words: str) -> None:
        print(f"{done}/{total} adapters, {words}", flush=True)

    done = mint(
        manifest(), FOLDER, open_base(None, device), resume=True, minutes=minutes, progress=show
    )
    print(f"{done.made} made, {done.left} left, {done.seconds:.0f} s", flush=True)


def complete_zoo() -> Zoo | None:
    """The zoo once every adapter of it is there: what later stages stand on."""
    try:
        zoo = read_zoo(FOLDER)
    except LorariumError:
        return None
    return None if zoo.missing else zoo


def due() -> bool:
    return any(not path_of(FOLDER, entry).exists() for entry in manifest().entries)


if __name__ == "__main__":
    COMMITTED.write_text(manifest().text())
