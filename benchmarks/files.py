"""Does `evaluate files` put LoRAs of 10, 30, 100 and 400 steps in order, and say what it can tell?

    python benchmarks/files.py [--judge b] [--judge chat:MODEL@URL] [--targets 1] [--aspect style]
    python benchmarks/files.py --base micro-2 --name files-micro-2 --judge reporter --targets 3

Artists and individuals of the test split, each learned from twelve pictures by the ordinary
trainer; the judges see other pictures of them. Trained files and drawn pictures are kept under
runs/files, so that another judge costs its own time only.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import torch
from machine import machine, save
from pages import fill_pages

from lorarium.bases.base import Base, open_base
from lorarium.evaluation.files.drawing import DrawSettings, contenders
from lorarium.evaluation.files.protocol import References, evaluate_files
from lorarium.evaluation.judging.comparison import Aspect
from lorarium.evaluation.judging.open_judge import open_judges
from lorarium.evaluation.synth.targets import JUDGED_BY, pool
from lorarium.pictures import write_png
from lorarium.training.manifest import UNSEEN
from lorarium.training.run import train
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES

STEPS = (10, 30, 100, 400)
SHOWN = 12  # pictures to learn from
TARGETS: dict[Aspect, list[tuple[str, int]]] = {
    "style": [("ink", 41), ("watercolour", 42), ("mosaic", 43)],
    "subject": [("cat", 41), ("teapot", 42), ("owl", 43)],
}
CLASSES = ("dog", "house", "sailboat", "owl", "cup", "tree", "fish", "car")
GENRES = ("photo", "comic", "watercolour", "pastel", "ink", "chalk", "neon", "pixel")
CLASSES += tuple(sorted(set(SEEN_CLASSES) - set(CLASSES)))
GENRES += tuple(sorted(set(SEEN_GENRES) - set(GENRES)))
STRANGERS = 12  # others of the same genre or class


def checkpoints(base: Base, aspect: Aspect, of: tuple[str, int], folder: Path) -> list[Path]:
    """A LoRA of each number of steps, trained where it is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures, prompts = pool(aspect, of, "test", range(SHOWN), base.size)
    for i, (picture, prompt) in enumerate(zip(pictures, prompts, strict=True)):
        write_png(folder / f"{i:02}.png", picture, force=True)
        (folder / f"{i:02}.txt").write_text(prompt)
    paths = []
    for steps in STEPS:
        path = folder / f"steps-{steps}.safetensors"
        if not path.exists():
            started = time.monotonic()
            prompt = "a {} in sty1" if aspect == "style" else f"a sub1 {of[0]}"
            train([folder / f"{i:02}.png" for i in range(SHOWN)], path, prompt=prompt, base=base,
                  recipe={"steps": steps}, sheet=False,
                  resume=path.with_name(path.name + ".checkpoint").exists())  # fmt: skip
            print(f"{path}: {time.monotonic() - started:.0f} s", flush=True)
        paths.append(path)
    return paths


def measured(
    base: Base,
    aspect: Aspect,
    of: tuple[str, int],
    judges: list[str],
    prompts: int,
    each: int,
    folder: Path,
) -> dict[str, Any]:
    known = JUDGED_BY[aspect]
    references, _ = pool(aspect, of, "test", range(UNSEEN, UNSEEN + known), base.size)
    # the next number of the same genre or class: as hard as strangers get
    strangers, _ = pool(aspect, (of[0], of[1] + 100), "test", range(STRANGERS), base.size)
    words = [f"a {kind} in sty1" for kind in CLASSES]
    if aspect == "subject":
        words = [f"a sub1 {of[0]} in {genre}" for genre in GENRES]
    files = contenders([(str(path), 1.0) for path in checkpoints(base, aspect, of, folder)])
    settings = DrawSettings(tuple(words[:prompts]), each, 20, None, None, 0)
    pictures = References(
        {aspect: references}, {aspect: tuple(f"unseen {i}" for i in range(known))}, strangers
    )
    with open_judges(judges, folder) as picture_judges:
        document = evaluate_files(
            base, files, pictures, picture_judges, settings, folder / "drawn",
            say=lambda words: print(words, flush=True),
        )  # fmt: skip
    for judge in document["judges"]:
        ranks = judge["ranking"]
        judge["right_order"] = ranks == [f"steps-{steps}" for steps in STEPS[::-1]]
        print(of, judge["judge"], ranks, judge["sentence"], judge["notes"], flush=True)
    for file in document["files"]:
        file["path"] = Path(file["path"]).name
    return {"aspect": aspect, "of": list(of), **document}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--judge", action="append", dest="judges")
    parser.add_argument("--targets", type=int, default=1, help="of each aspect")
    parser.add_argument("--aspect", choices=list(TARGETS), help="only these")
    parser.add_argument("--prompts", type=int, default=48, help="they are the units")
    parser.add_argument("--each", type=int, default=1, help="pictures of each prompt")
    parser.add_argument("--base", help="what draws, if not micro-1")
    parser.add_argument("--cache", type=Path, default=Path("runs/files"))
    parser.add_argument("--name", default="files", help="of the result")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    base = open_base(asked.base)
    results = [
        measured(base, aspect, of, asked.judges or ["b"], asked.prompts, asked.each,
                 asked.cache / (asked.base or "") / f"{aspect}-{of[0]}-{of[1]}")
        for aspect, members in TARGETS.items()
        if asked.aspect in (None, aspect)
        for of in members[: asked.targets]
    ]  # fmt: skip
    document = {"machine": machine(), "steps": STEPS, "targets": results}
    print("written to", save(asked.name, document))
    fill_pages()


if __name__ == "__main__":
    main()
