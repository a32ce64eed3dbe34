"""A folder of small files to try everything on: what the commands of the pages are run on."""

from __future__ import annotations

import shutil
from pathlib import Path

from lorarium import formats
from lorarium.errors import LorariumError, need_packages
from lorarium.formats.example import example
from lorarium.formats.target import AnyPath, check_target, write_atomically
from lorarium.mergers import merge

from .samples import sample

FILES = ("cat.safetensors", "ink.safetensors", "rain.safetensors", "loras", "prompts.txt")
FOLDERS = ("drawings", "my-cat")  # of pictures
SHOWN = ("cat", "dog", "ink", "neon", "watercolour")
ARTIST, INDIVIDUAL = ("ink", 0), ("cat", 0)
DRAWINGS, PHOTOS, SIZE = 12, 6, 96
MADE_UP = {"modelspec.title": "rain", "modelspec.trigger_phrase": "in heavy rain"}
PROMPTS = ("a castle in sty1", "a dog in sty1", "a fish in sty1", "a tree in sty1")


def write_example_folder(folder: AnyPath, *, force: bool = False) -> list[str]:
    """Put LoRAs, a folder of LoRAs, pictures and prompts into `folder`; a line about each.

    `cat` and `ink` are adapters of micro-1 that come along, `rain` is made up, of Stable Diffusion
    1.5's shapes. Pictures need the extra `torch` (for pillow).
    """
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    try:
        need_packages("pictures", ("PIL",), "torch")
        without = ""
    except LorariumError as missing:
        without = f"no pictures: {missing}"
    for name in (*FILES, *(() if without else FOLDERS)):
        check_target(home / name, force=force, folder=not name.count("."))
    return [*_adapters(home), *([without] if without else _pictures(home))]


def _adapters(home: Path) -> list[str]:
    library = sample()
    loras = home / "loras"
    loras.mkdir(parents=True, exist_ok=True)
    for one in library.adapters:
        if one.of[0] in SHOWN:
            name = f"{one.of[0]}-{one.path.stem.split('-', 2)[2]}.safetensors"
            shutil.copyfile(one.path, loras / name)
    cat, ink = library.of("subject", INDIVIDUAL)[0].path, library.of("style", ARTIST)[0].path
    shutil.copyfile(cat, home / "cat.safetensors")
    shutil.copyfile(ink, home / "ink.safetensors")
    shutil.copyfile(ink, loras / "ink copy.safetensors")
    formats.convert(ink, loras / "ink for diffusers.safetensors", "diffusers", force=True)
    both = merge([cat, ink], [1.0, 0.8])
    formats.write(both, loras / "both.safetensors", "kohya", force=True)
    rain = example(seed=2, metadata=MADE_UP)
    formats.write(rain, home / "rain.safetensors", "kohya", force=True)
    write_atomically(home / "prompts.txt", ["\n".join((*PROMPTS, "")).encode()], force=True)
    return [
        "cat.safetensors, ink.safetensors: an individual and an artist, for micro-1",
        "rain.safetensors: made up, the shapes of Stable Diffusion 1.5",
        f"loras: {len(list(loras.iterdir()))} files, two copies and a merge among them",
        f"prompts.txt: {len(PROMPTS)} prompts",
    ]


def _pictures(home: Path) -> list[str]:
    from lorarium.pictures import write_png
    from lorarium.world.scene import PHOTO, Style, Subject, View, render
    from lorarium.world.splits import SEEN_CLASSES

    classes = SEEN_CLASSES[:: max(1, len(SEEN_CLASSES) // DRAWINGS)][:DRAWINGS]
    drawn = [Subject(name, 5000 + i) for i, name in enumerate(classes)]
    artist, cat = Style(*ARTIST), Subject(*INDIVIDUAL)
    parts = {"drawings": (drawn, artist), "my-cat": ([cat] * PHOTOS, Style(PHOTO, 0))}
    for name, (subjects, style) in parts.items():
        (home / name).mkdir(exist_ok=True)
        views = [View(7000 + i) for i in range(len(subjects))]
        pictures = render(subjects, [style] * len(subjects), views, SIZE)
        for i, (subject, picture) in enumerate(zip(subjects, pictures, strict=True)):
            path = home / name / f"{i + 1:02}-{subject.kind}.png"
            write_png(path, picture, force=True)
            write_atomically(path.with_suffix(".txt"), [f"{subject.kind}\n".encode()], force=True)
    return [
        f"drawings: {DRAWINGS} pictures by the artist of ink.safetensors",
        f"my-cat: {PHOTOS} pictures of the individual of cat.safetensors",
    ]
