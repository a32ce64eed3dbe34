"""`mint`: the adapters of a manifest, many as one batch through the frozen base.

Each finished adapter is a file; a folder that already holds some is gone on with.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import torch

from lorarium.adapter import Adapter
from lorarium.bases.base import Base
from lorarium.bases.resting import shareable
from lorarium.bases.rounded import rounded
from lorarium.errors import LorariumError
from lorarium.files import open_regular, read_text
from lorarium.formats import write
from lorarium.formats.target import write_atomically
from lorarium.pictures import picture_files, read_pictures
from lorarium.trained import SAVED_EVERY
from lorarium.training.fit import TOGETHER, Fit
from lorarium.training.manifest import OWN, Entry, Manifest, pool_cell
from lorarium.training.own_pictures import captioned
from lorarium.training.recipe import Job
from lorarium.training.run import save_state
from lorarium.world.scene import render

MANIFEST, CHECKPOINT = "manifest.json", ".checkpoint"
MOST_MANIFEST = 2**28  # bytes
BATCH = {"cpu": 8, "cuda": 192}  # adapters at once

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Minted:
    made: int
    there: int  # were there already
    left: int
    seconds: float


def mint(
    manifest: Manifest,
    folder: Path,
    base: Base,
    *,
    resume: bool = False,
    batch: int | None = None,
    minutes: float | None = None,
    workers: int | None = None,
    quick: bool = False,
    progress: Progress | None = None,
) -> Minted:
    """Train the manifest's adapters into `folder`, until done or so many minutes have passed.

    `workers` processes share the work; by default one for each core, on a GPU none. `quick` rounds
    what the frozen base computes to bfloat16, where that pays.
    """
    started = time.monotonic()
    _open(manifest, folder, base, resume)
    size = batch or BATCH.get(base.device.type, 8)
    # of all, not of those that are left: an adapter is the same whenever it was interrupted
    missing = {e.id for e in manifest.entries if not path_of(folder, e).exists()}
    batches = [
        group
        for group in groups(manifest.entries, size)
        if any(entry.id in missing for entry in group)
    ]
    todo = len(missing)
    there, made = len(manifest.entries) - todo, 0
    deadline = math.inf if minutes is None else started + minutes * 60
    in_time = takewhile(lambda _: time.monotonic() < deadline, batches)
    shared = _workers(workers, base, len(manifest.entries), size)
    for group, adapters in _train_groups(base, in_time, shared, quick, folder, deadline):
        for entry, adapter in zip(group, adapters, strict=True):
            if entry.id in missing:
                write(adapter, path_of(folder, entry))
                made += 1
        checkpoint_of(folder, group).unlink(missing_ok=True)
        if progress is not None:
            per = (time.monotonic() - started) / made
            progress(there + made, len(manifest.entries), f"{per:.1f} s each")
    return Minted(made, there, todo - made, time.monotonic() - started)


def _workers(asked: int | None, base: Base, count: int, size: int) -> int:
    """Of all adapters, not of those that are left: threads change the last bits."""
    if not shareable(base):
        return 1
    return min(asked or usual_workers(base), max(1, -(-count // size)))


def usual_workers(base: Base) -> int:
    """A process for each core; one where the base lies on a GPU or in other hands."""
    return len(os.sched_getaffinity(0)) if shareable(base) else 1


def _train_groups(
    base: Base, groups: Iterator[list[Entry]], workers: int, quick: bool, folder: Path,
    deadline: float,
) -> Iterator[tuple[list[Entry], list[Adapter]]]:  # fmt: skip
    if workers > 1:
        from lorarium.training.workers import train_in_workers

        yield from train_in_workers(workers, base, groups, quick, folder, deadline)
    else:
        for group in groups:
            kept = checkpoint_of(folder, group)
            adapters = train_group(base, group, quick, kept, deadline)
            if adapters is not None:
                yield group, adapters


def checkpoint_of(folder: Path, group: Sequence[Entry]) -> Path:
    """What is there of a group that is not finished."""
    return folder / f"{CHECKPOINT}-{group[0].id}"


def _open(manifest: Manifest, folder: Path, base: Base, resume: bool) -> None:
    """Make the folder, or see that it is of this manifest and this base."""
    text = manifest.text().replace("{", f'{{"base_hash": "{base.hash}", ', 1)
    there = folder / MANIFEST
    if there.exists():
        if read_text(there, "the manifest", MOST_MANIFEST) != text:
            raise LorariumError(
                "the folder is of another recipe or base", where=str(folder), hint="use a new one"
            )
        if not resume and any(folder.glob("*.safetensors")):
            raise LorariumError("it holds adapters already", where=str(folder), hint="add --resume")
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LorariumError("not an empty folder", where=str(folder), hint="name a new one")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(there, [text.encode()])


def path_of(folder: Path, entry: Entry) -> Path:
    return folder / f"{entry.id}.safetensors"


def groups(entries: Sequence[Entry], size: int) -> Iterator[list[Entry]]:
    """Entries that can share a batch without waste, nearly in their order."""
    alike: dict[tuple[object, ...], list[Entry]] = {}
    for entry in entries:
        r = entry.numbers
        key = (
            *(getattr(r, name) for name in TOGETHER),
            r.targets,
            r.text_encoder,
            _padded(r.rank),
            r.prior > 0,
        )
        alike.setdefault(key, []).append(entry)
    batches = [same[i : i + size] for same in alike.values() for i in range(0, len(same), size)]
    place = {entry.id: i for i, entry in enumerate(entries)}
    yield from sorted(batches, key=lambda batch: place[batch[0].id])


def _padded(rank: int) -> int:
    """Ranks up to the same power of two run together."""
    return 1 << (rank - 1).bit_length()


def train_group(
    base: Base, group: Sequence[Entry], quick: bool = False, kept: Path | None = None,
    deadline: float = math.inf,
) -> list[Adapter] | None:  # fmt: skip
    """The adapters of entries that share a batch, None when the time is over before."""
    with rounded(base) if quick else nullcontext():
        return train_jobs(base, [job_of(entry, base) for entry in group], kept, deadline)


def train_jobs(
    base: Base, jobs: Sequence[Job], kept: Path | None = None, deadline: float = math.inf
) -> list[Adapter] | None:
    """The adapters of jobs that share a batch, None when the time (monotonic) is over before. What
    is there of them is kept now and then, and gone on with."""
    run = Fit(base, jobs)
    if kept is not None:
        _go_on(run, kept)
    saved = time.monotonic()
    losses = torch.zeros(len(jobs))
    while run.done < run.steps:
        now = time.monotonic()
        if kept is not None and (now > deadline or now - saved > SAVED_EVERY):
            save_state(run, kept)
            saved = now
        if now > deadline:
            return None
        losses = run.step()
    bad = (~losses.isfinite()).nonzero().flatten().tolist()
    if bad:
        name = jobs[bad[0]].about.get("lorarium.minted", f"adapter {bad[0] + 1}")
        raise LorariumError(f"the loss of {name} is no number", hint="use a smaller lr")
    return run.adapters()


def _go_on(run: Fit, kept: Path) -> None:
    """From the state of these very jobs, if that is what is kept."""
    if not kept.exists():
        return
    with open_regular(kept) as file:
        state = torch.load(file, map_location="cpu", weights_only=True)
    with suppress(LorariumError):
        run.resume(state)


def job_of(entry: Entry, base: Base) -> Job:
    """Pictures, prompts and numbers of an entry."""
    metadata = {
        "modelspec.title": entry.id,
        "lorarium.minted": entry.id,
        "lorarium.kind_of": entry.kind,
        "lorarium.split": entry.split,
        "lorarium.recipe_name": entry.recipe,
    }
    if entry.numbers.prior > 0:
        raise LorariumError("prior pictures are for `train`, not for `mint`", where=entry.id)
    if entry.split == OWN:
        folder = Path(entry.of[0])
        files = picture_files([folder])
        pictures, prompts = read_pictures(files, base.size), captioned(files, entry.prompt)
        metadata["lorarium.of"] = folder.name
    else:
        cells = [pool_cell(entry, i) for i in entry.pictures]
        subjects, styles, views, words = zip(*cells, strict=True)
        pictures = render(subjects, styles, views, base.size)
        trigger = f"in {entry.token}" if entry.kind == "style" else f"a {entry.token}"
        prompts = tuple(words) if entry.captioned else (trigger,) * len(words)
        metadata["lorarium.of"] = f"{entry.of[0]} {entry.of[1]}"
    return Job(pictures, prompts, entry.numbers, entry.seed, entry.init_seed, about=metadata)
