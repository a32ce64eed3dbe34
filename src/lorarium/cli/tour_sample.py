"""The tour's stops with the sample library: relatives of the fresh LoRA, and merges with it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from lorarium import formats
from lorarium.adapter import Adapter
from lorarium.errors import LorariumError, missing_extra
from lorarium.library import Library, Sample, sample
from lorarium.mergers import merge

SHOWN, SUBJECTS = 6, 3
# quick ones, with their options: none asks for more than the two files and the base
METHODS: dict[str, dict[str, Any]] = {
    "sum": {},
    "np-lora": {"mu": math.inf},
    "k-lora": {},
    "ssr": {},
    "lora-rar": {},
    "roles": {},
}


def relatives(folder: Path) -> None:
    try:
        lora, artist, held = _fresh(folder)
        library = Library(folder / "sample-library")
    except LorariumError as missing:
        click.echo(f"left out: {missing}")
        return
    library.index([held.folder, lora.parent], workers=0)
    of = {str(one.path.resolve()): one for one in held.adapters}
    own = held.of("style", artist)
    answer = library.search(lora, k=max(SHOWN, len(own)))
    click.echo(
        f"nearest to {lora.name} among {len(library) - 1}, by weights alone ({answer.space}):"
    )
    for match in answer.matches:
        one = of.get(match.paths[0])
        name = f"{one.of[0]} {one.of[1]}, recipe {one.recipe}" if one else Path(match.paths[0]).name
        same = "the same artist, other pictures" if one and one.of == artist else ""
        click.echo(f"{match.score:6.2f}  {name:26}{same}".rstrip())
    best = {match.paths[0] for match in answer.matches[: len(own)]}
    in_front = sum(str(one.path.resolve()) in best for one in own)
    close = {True: "close", False: "not close", None: "too few to say"}[answer.close]
    click.echo(f"{in_front} of its {len(own)} relatives come first; the nearest is {close}")
    for name in ("sample-map.html", "sample-map.png"):
        library.map(folder / name, color="tag", marked=[lora], force=True)
    click.echo("the map of them all, the fresh one ringed: sample-map.html and sample-map.png")


def together(folder: Path) -> None:
    try:
        lora, artist, held = _fresh(folder)
    except LorariumError as missing:
        click.echo(f"left out: {missing}")
        return
    from lorarium.bases.base import open_base
    from lorarium.training.tour import in_style

    base, style = open_base(None), formats.read(lora)
    people = {one.of: one.path for one in reversed(held.of("subject"))}
    step = max(1, len(people) // SUBJECTS)
    subjects = [(of, formats.read(people[of])) for of in sorted(people)[::step][:SUBJECTS]]
    if not subjects:
        click.echo("left out: the sample library has no individual")
        return
    merged: dict[str, list[Adapter]] = {}
    for name, options in METHODS.items():
        merged[name] = [merge([one, style], method=name, **options) for _, one in subjects]
        click.echo(f"lorarium merge SUBJECT {lora.name} --method {name}")
    out = folder / "subject-in-style.png"
    in_style(out, base, subjects, (artist, style), merged, force=True)
    names = ", ".join(f"{word} {number}" for (word, number), _ in subjects)
    click.echo(f"{out.name}: {names} by each method, and as the artist would draw them")


def _fresh(folder: Path) -> tuple[Path, tuple[str, int], Sample]:
    """The LoRA of the stop before, its artist, and the sample library, when all is of one base."""
    held = sample()
    try:
        from lorarium.training.tour import ARTIST, fresh_lora
    except ImportError:
        raise missing_extra("a fresh LoRA needs torch", "torch") from None
    lora = fresh_lora(folder)
    if not lora.exists():
        raise LorariumError("there is no fresh LoRA", where=str(lora))
    if formats.read(lora).metadata.get("lorarium.base_hash") != held.base_hash:
        raise LorariumError("the sample library stands on another base", where=str(held.folder))
    return lora, ARTIST, held
