"""`train`: picture files -> a LoRA file, with a checkpoint beside it and a sheet of samples."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lorarium.adapter import Adapter
from lorarium.bases.base import Base, at_hand
from lorarium.bases.holding import BaseToOpen
from lorarium.bases.sampling import sample
from lorarium.errors import LorariumError
from lorarium.files import exists, open_regular
from lorarium.formats import write
from lorarium.formats.target import ADAPTER_SUFFIXES, check_target
from lorarium.pictures import (
    caption,
    enlarged,
    grid,
    labelled,
    picture_files,
    read_pictures,
    write_png,
)
from lorarium.training.fit import Fit
from lorarium.training.recipe import Job, Recipe, defaults, mirrors, recipe_from

PROMPT = "a {} in sty1"
SAVE_SECONDS = 20.0

Progress = Callable[[int, int, float], None]  # step, steps, smoothed loss


def train(
    pictures: Sequence[str | Path],
    out: str | Path,
    *,
    prompt: str = PROMPT,
    base: Base | BaseToOpen | str | Path | None = None,
    recipe: Recipe | Mapping[str, Any] | None = None,
    seed: int = 0,
    prior_prompt: str | None = None,
    begin: Adapter | None = None,
    mirror: bool | None = None,
    resume: bool = False,
    sheet: bool = True,
    device: str = "cpu",
    progress: Progress | None = None,
    force: bool = False,
) -> Adapter:
    """Learn a LoRA from picture files or folders and write it to `out`.

    `{}` in the prompt stands for a picture's own caption (a .txt of its name), or for nothing.
    A `recipe` that is a table of numbers changes the defaults of the base's family.
    `begin` is an adapter to go on from, of a rank up to the recipe's. `mirror` shows every picture
    as its mirror image too; without a word styles of micro-1 are learned so.
    An interrupted run leaves `<out>.checkpoint`, from which `resume` goes on. An existing file or
    sheet is refused, unless `force`.

    >>> train(["mine/"], "mine.safetensors", prompt="a {} in sty1")
    """
    target = check_target(out, inputs=pictures, force=force, suffixes=ADAPTER_SUFFIXES)
    if sheet:
        check_target(target.with_suffix(".png"), inputs=pictures, force=force)
    files = picture_files(pictures)
    model = at_hand(base, device)
    if not isinstance(recipe, Recipe):
        asked = recipe or {}
        recipe = recipe_from(asked, defaults(model.family, prompt, asked.get("optimizer")))
    prompts = tuple(fill_prompt(prompt, caption(file)) for file in files)
    job = Job(
        read_pictures(files, model.size),
        prompts,
        recipe,
        seed,
        begin=begin,
        about={"modelspec.title": target.stem, "ss_output_name": target.stem},
        mirror=mirrors(model.family, prompt) if mirror is None else mirror,
    )
    if recipe.prior > 0:
        job = with_prior(model, job, prior_prompt or without_name(prompt))
    run = Fit(model, [job])
    checkpoint = target.with_name(target.name + ".checkpoint")
    if resume:
        _resume(run, checkpoint)
    elif exists(checkpoint):
        raise LorariumError(
            "an interrupted run is here", where=str(checkpoint), hint="add --resume or remove it"
        )
    _steps(run, checkpoint, progress)
    adapter = run.adapters()[0]
    write(adapter, target, force=force, inputs=pictures)
    checkpoint.unlink(missing_ok=True)
    if sheet:
        picture = sample_sheet(model, adapter, job, seed)
        write_png(target.with_suffix(".png"), picture, force=force, inputs=pictures)
    return adapter


def _steps(run: Fit, checkpoint: Path, progress: Progress | None) -> None:
    smooth, saved = 0.0, time.monotonic()
    try:
        while run.done < run.steps:
            value = float(run.step()[0])
            if not np.isfinite(value):
                raise LorariumError(
                    f"the loss is no number after {run.done} steps", hint="use a smaller --lr"
                )
            smooth = value if smooth == 0.0 else 0.95 * smooth + 0.05 * value
            if progress is not None:
                progress(run.done, run.steps, smooth)
            if time.monotonic() - saved > SAVE_SECONDS:
                save_state(run, checkpoint)
                saved = time.monotonic()
    except KeyboardInterrupt:
        save_state(run, checkpoint)
        raise


def save_state(run: Fit, checkpoint: Path) -> None:
    """Write the checkpoint beside, then rename."""
    beside = checkpoint.with_name(checkpoint.name + ".new")
    with open(beside, "wb") as file:
        torch.save(run.state(), file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, checkpoint)


def _resume(run: Fit, checkpoint: Path) -> None:
    if not exists(checkpoint):
        raise LorariumError("there is no interrupted run to resume", where=str(checkpoint))
    try:
        with open_regular(checkpoint) as file:
            run.resume(torch.load(file, map_location="cpu", weights_only=True))
    except LorariumError as error:
        raise LorariumError(error.what, where=str(checkpoint)) from None
    except Exception:
        raise LorariumError("the checkpoint is damaged", where=str(checkpoint)) from None


def fill_prompt(prompt: str, caption: str | None) -> str:
    """A picture's prompt: its caption in the place of `{}`, or instead of a prompt without it."""
    if "{}" in prompt:
        return " ".join(prompt.replace("{}", caption or "").split())
    return caption or prompt


def without_name(prompt: str) -> str:
    """The prompt without the reserved words, which is what the prior keeps as it was."""
    words = [w for w in prompt.replace("{}", "").split() if not w.startswith(("sub", "sty"))]
    return " ".join(words).removesuffix(" in")


def with_prior(base: Base, job: Job, prompt: str) -> Job:
    """The job with pictures of the untouched base for its class prompt."""
    count = job.recipe.prior_count
    pictures = sample(base, [prompt] * count, seed=job.seed + 1_000_003)
    return replace(job, prior_pictures=pictures, prior_prompts=(prompt,) * count)


def sample_sheet(base: Base, adapter: Adapter, job: Job, seed: int, columns: int = 6) -> np.ndarray:
    """Three rows: pictures learned from, the base's answer to their prompts, the LoRA's."""
    rows = [i % len(job.prompts) for i in range(columns)]
    prompts = [job.prompts[i] for i in rows]
    before = sample(base, prompts, seed=seed)
    after = sample(base, prompts, adapters=[(adapter, 1.0)], seed=seed)
    times = max(1, 144 // base.size)
    pictures = np.concatenate([job.pictures[rows], before, after])
    sheet = grid(enlarged(pictures, times), columns)
    return labelled(sheet, (), ("pictures", "before", "after"), base.size * times)
