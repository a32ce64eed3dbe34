"""`synth` from files: pictures and adapters in, LoRA files with a sheet of samples out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lorarium.adapter import Adapter
from lorarium.algebra import fingerprint
from lorarium.bases.base import Base, at_hand
from lorarium.bases.holding import BaseToOpen
from lorarium.bases.render import file_hash
from lorarium.bases.sampling import sample
from lorarium.bases.stack import check_family
from lorarium.errors import LorariumError
from lorarium.formats import read, write
from lorarium.formats.target import ADAPTER_SUFFIXES, check_target
from lorarium.pictures import (
    caption,
    open_picture,
    picture_files,
    read_pictures,
    write_png,
)
from lorarium.synthesis.make import MOST_EDIT, SynthesisResult, refined, synthesize
from lorarium.synthesis.store import Synth, load_synth
from lorarium.training.recipe import Job, Recipe
from lorarium.training.run import fill_prompt, sample_sheet
from lorarium.training.trigger import PHRASE, kind_named, trigger_phrase
from lorarium.world.splits import SEEN_CLASSES

PROMPTS = {"style": "a {} in sty1", "subject": "a sub1 {} in photo"}
LIKE = 12  # pictures that an adapter draws for `like`
SHOWN = 6  # of a sheet
SMALLEST = 24  # pixels of a side


def synthesize_files(
    pictures: Sequence[str | Path] = (),
    out: str | Path | None = None,
    *,
    kind: str = "style",
    like: str | Path | Adapter | None = None,
    edits: Mapping[str, float] | None = None,
    rank: int | None = None,
    refine: int = 0,
    prompt: str | None = None,
    base: Base | BaseToOpen | str | Path | None = None,
    generator: Synth | str | Path | None = None,
    seed: int = 0,
    sheet: bool = True,
    device: str = "cpu",
    force: bool = False,
) -> SynthesisResult:
    """A LoRA from picture files or folders, and from what another LoRA draws (`like`); written to
    `out` when that is given. An existing file or sheet is refused, unless `force`.

    `refine` goes on training for so many steps. `{}` in the prompt, which only refining and the
    sheet need, stands for a picture's own caption.

    >>> lo.synthesize(["mine/"], "mine.safetensors").distance
    """
    if not pictures and like is None:
        raise LorariumError("no pictures were given", hint="name files or folders, or use --like")
    _check_numbers(kind, edits, refine)
    inputs = [*pictures, *([like] if isinstance(like, str | Path) else [])]
    target = None
    if out is not None:
        target = check_target(out, inputs=inputs, force=force, suffixes=ADAPTER_SUFFIXES)
        if sheet:
            check_target(target.with_suffix(".png"), inputs=inputs, force=force)
    model = at_hand(base, device)
    if not isinstance(generator, Synth):
        generator = load_synth(None if generator is None else Path(generator), model)
    wish = prompt or PROMPTS[kind]
    files = picture_files(pictures) if pictures else []
    references = read_pictures(files, model.size) if files else None
    prompts = [fill_prompt(wish, caption(file)) for file in files]
    notes = [note for file in files if (note := _tiny(file))]
    about: dict[str, str] = {}
    if like is not None:
        adapter = like if isinstance(like, Adapter) else read(like)
        drawn, words = drawn_by(model, adapter, kind, prompt, seed)
        references = drawn if references is None else np.concatenate([references, drawn])
        prompts += words
        about["lorarium.like"] = _name(like)
    assert references is not None
    about |= answering(kind, prompts)
    if target is not None:
        about |= {"modelspec.title": target.stem, "ss_output_name": target.stem}
    made = synthesize(generator, model, references, kind=kind, rank=rank, edits=edits, about=about)
    if refine:
        made = refined(model, made, references, prompts, refine, seed=seed)
    made = replace(made, warnings=(*made.warnings, *notes))
    if target is not None:
        write(made.adapter, target, force=force, inputs=inputs)
        if sheet:
            job = Job(*_for_sheet(references, prompts, kind, prompt), Recipe(), seed)
            picture = sample_sheet(model, made.adapter, job, seed)
            write_png(target.with_suffix(".png"), picture, force=force, inputs=inputs)
    return made


def answering(kind: str, prompts: Sequence[str]) -> dict[str, str]:
    """Metadata of prompts that use the word which a generated adapter answers to."""
    phrase = trigger_phrase(prompts)
    if kind_named(phrase) != kind:
        return {}
    return {PHRASE: phrase, "lorarium.prompts": json.dumps(sorted(set(prompts))[:32])}


def drawn_by(
    base: Base, adapter: Adapter, kind: str, prompt: str | None, seed: int
) -> tuple[np.ndarray, list[str]]:
    """Pictures that an adapter draws, and their prompts."""
    check_family(base, adapter)
    words = _prompts(kind, prompt, LIKE)
    return sample(base, words, adapters=[(adapter, 1.0)], seed=seed), words


def _prompts(kind: str, prompt: str | None, count: int) -> list[str]:
    """Prompts that name no picture: a style is shown on various classes."""
    wish = prompt or PROMPTS[kind]
    if kind == "subject":
        return [fill_prompt(wish, None)] * count
    step = len(SEEN_CLASSES) // count
    return [fill_prompt(wish, SEEN_CLASSES[i * step]) for i in range(count)]


def _for_sheet(
    pictures: np.ndarray, prompts: Sequence[str], kind: str, prompt: str | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Pictures and prompts of a sheet: captions where there are any, else words of our own."""
    plain = fill_prompt(prompt or PROMPTS[kind], None)
    own = _prompts(kind, prompt, SHOWN)
    rows = [i % len(pictures) for i in range(SHOWN)]
    words = [own[k] if prompts[i] == plain else prompts[i] for k, i in enumerate(rows)]
    return pictures[rows], tuple(words)


def _check_numbers(kind: str, edits: Mapping[str, float] | None, refine: int) -> None:
    if kind not in PROMPTS:
        raise LorariumError(f"no kind {kind!r}", hint="style or subject")
    if not 0 <= refine <= 100_000:
        raise LorariumError(f"{refine} steps of refining", hint="use 0 to 100000")
    for name, amount in (edits or {}).items():
        if not abs(amount) <= MOST_EDIT:
            raise LorariumError(
                f"an amount of {amount} is out of range", where=name,
                hint=f"use {-MOST_EDIT:g} to {MOST_EDIT:g}",
            )  # fmt: skip


def _tiny(file: Path) -> str:
    with open_picture(file) as picture:
        small = min(picture.size) < SMALLEST
        return f"{file.name} is only {picture.width} x {picture.height} pixels" if small else ""


def _name(like: str | Path | Adapter) -> str:
    if isinstance(like, Adapter):
        return fingerprint(like)
    return file_hash(like)
