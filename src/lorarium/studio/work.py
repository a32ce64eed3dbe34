"""What jobs do: each a function of what the server asked for (paths that it checked) and a
progress. All of it is what the commands do."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lorarium import formats
from lorarium.adapter import Adapter
from lorarium.errors import LorariumError
from lorarium.library import Library
from lorarium.library.scan import key_of
from lorarium.studio.allowed import AllowedFolders
from lorarium.studio.batches import (
    Args,
    Progress,
    Work,
    change_metadata,
    convert_files,
    resize_files,
)
from lorarium.studio.points import write_map

Row = tuple[str, Adapter | None]
BASE_ALONE: Row = ("The base alone", None)


def index(args: Args, progress: Progress) -> dict[str, Any]:
    report = Library(args["library"]).index(
        args["folders"], workers=args.get("workers"), progress=progress
    )
    bad = [{"path": path, "problem": problem} for path, problem in report.bad[:100]]
    return {**report.to_json(), "bad": bad}


def sample(args: Args, progress: Progress) -> dict[str, Any]:
    """Files to try everything on, written once, and then read."""
    from lorarium.library.example_folder import write_example_folder

    folder = Path(args["out"])
    if not folder.exists():
        progress(0, 0, "writing files to try")
        write_example_folder(folder)
    return index({**args, "folders": [folder], "workers": 1}, progress)


def layout(args: Args, progress: Progress) -> dict[str, Any]:
    progress(0, 0, "laying out")
    return write_map(Library(args["library"]), Path(args["out"]), args["state"], args["folders"])


def merged_with_report(args: Args, progress: Progress) -> tuple[Any, Any, list[Any]]:
    from lorarium.mergers import METHODS, merge_with_report
    from lorarium.mergers.number_type import as_the_inputs

    progress(0, 0, "reading")
    adapters = [formats.read(item["path"]) for item in args["inputs"]]
    weights = [float(item["weight"]) for item in args["inputs"]]
    options = {k: v for k, v in args["options"].items() if v not in (None, "")}
    if "progress" in METHODS[args["method"]].options:
        options["progress"] = lambda done, total, loss: progress(done, total, f"loss {loss:.3g}")
    progress(0, 0, "merging")
    merged, report = merge_with_report(adapters, weights, method=args["method"], **options)
    merged, report.rounding = as_the_inputs(merged, adapters, report.rounding)
    return merged, report, adapters


def merge(args: Args, progress: Progress) -> dict[str, Any]:
    merged, report, _ = merged_with_report(args, progress)
    dialect = args["dialect"] or None
    if args["program"]:
        from lorarium.formats.programs import row_for

        dialect = row_for(args["program"], merged.family).dialect
    out = AllowedFolders.of(args["folders"]).inside(args["out"])
    progress(0, 0, "writing")
    inputs = [item["path"] for item in args["inputs"]]
    written = formats.write(merged, out, dialect=dialect, inputs=inputs)
    return {
        "name": out.name,
        "modules": len(merged),
        "dialect": written.dialect,
        "size": out.stat().st_size,
        "notes": list(report.notes),
        "lost": round(written.lost_energy, 6),
        "verified": written.verified,
    }


def render(args: Args, progress: Progress) -> dict[str, Any]:
    """The merge, and each input alone and the base alone, from the same noises."""
    merged, _, adapters = merged_with_report(args, progress)
    rows: list[Row] = [("The merge", merged)]
    if args["alone"]:
        names = [f"{Path(item['path']).stem} alone" for item in args["inputs"]]
        rows += [*zip(names, adapters, strict=True), BASE_ALONE]
    return _sheet(args, progress, rows)


def compare(args: Args, progress: Progress) -> dict[str, Any]:
    """Each file alone, and the base alone, from the same noises; and how alike the files are."""
    from lorarium.algebra import cosine

    progress(0, 0, "reading")
    adapters = [formats.read(path) for path in args["files"]]
    alike = [round(cosine(adapters[0], other), 4) for other in adapters[1:]]
    names = [Path(path).stem for path in args["files"]]
    rows = [*zip(names, adapters, strict=True), BASE_ALONE]
    return {**_sheet(args, progress, rows), "alike": alike}


def _sheet(args: Args, progress: Progress, rows: Sequence[Row]) -> dict[str, Any]:
    """A row of pictures for each adapter, named."""
    from lorarium.bases.render import render as draw
    from lorarium.pictures import enlarged, write_png

    base = _open_base(args["base"])
    count, steps = args["count"], args["steps"]
    names = []
    for i, (_, adapter) in enumerate(rows):

        def advance(done: int, total: int, row: int = i) -> None:
            progress(row * total + done, len(rows) * total, "drawing")

        drawn = draw(
            [args["prompt"]],
            loras=[] if adapter is None else [(adapter, 1.0)],
            base=base,
            count=count,
            steps=steps,
            seed=args["seed"],
            progress=advance,
        )
        times = max(1, 192 // drawn.shape[1])
        for k, picture in enumerate(enlarged(drawn, times)):
            name = f"{args['name']}-{i}-{k}.png"
            write_png(Path(args["out"], name), picture, force=True)
            names.append(name)
    sheet = {"pictures": names, "columns": count, "rows": len(rows), "names": [n for n, _ in rows]}
    return {**sheet, "seed": args["seed"]}


@functools.lru_cache(maxsize=1)  # opening one takes longer than drawing with it
def _open_base(where: str | None) -> Any:
    from lorarium.bases.base import open_base

    return open_base(where)


def synth(args: Args, progress: Progress) -> dict[str, Any]:
    from lorarium.synthesis.run import synthesize_files

    out = AllowedFolders.of(args["folders"]).inside(args["out"])
    progress(0, 0, "looking at the pictures")
    made = synthesize_files(
        args["pictures"],
        out,
        kind=args["kind"],
        refine=args["refine"],
        prompt=args["prompt"] or None,
        seed=args["seed"],
    )
    return {
        "name": out.name,
        "key": key_of(str(out)),
        "distance": round(made.distance, 3),
        "warnings": list(made.warnings),
        "seconds": round(made.seconds, 2),
        "modules": len(made.adapter),
    }


def tidy_plan(args: Args, progress: Progress) -> dict[str, Any]:
    progress(0, 0, "comparing files")
    plan = Library(args["library"]).tidy_plan(program=args["program"], pattern=args["pattern"])
    plan.save(Path(args["plan"]), force=True)
    return {"items": len(plan.items), "bytes_to_win": plan.bytes_to_win}


def tidy_apply(args: Args, progress: Progress) -> dict[str, Any]:
    """Carry out those items of the plan that were chosen; all else of it stays as it was."""
    from lorarium.library.tidy_plan import Plan

    plan = Plan.load(Path(args["plan"]))
    if plan.made != args["made"]:
        raise LorariumError("there is a newer plan", hint="look at it first")
    allowed, chosen = AllowedFolders.of(args["folders"]), set(args["chosen"])
    items = tuple(replace(i, chosen=n in chosen) for n, i in enumerate(plan.items))
    for item in items:
        if item.chosen:
            for path in filter(None, (item.path, item.to, *item.beside)):
                allowed.inside(path)
    count, done = sum(1 + len(item.beside) for item in items if item.chosen), 0

    def on_move(path: str, problem: str) -> None:
        nonlocal done
        done += 1
        progress(min(done, count), count, "moving")

    library = Library(args["library"])
    tidied = library.tidy(replace(plan, items=items), on_move)
    if renewed := sorted({str(Path(item.to).parent) for item in items if item.chosen and item.to}):
        library.index(renewed, workers=0)  # what has a new name or new bytes is seen
    return tidied.to_json()


def tidy_undo(args: Args, progress: Progress) -> dict[str, Any]:
    progress(0, 0, "putting back")
    from lorarium.library.tidy import runs_away

    library = Library(args["library"])
    allowed, runs = AllowedFolders.of(args["folders"]), runs_away(library.store)
    chosen = [run for run in runs if run.name == args["run"]] if args["run"] else runs[-1:]
    for path in (path for run in chosen for path in run.files):
        allowed.inside(path)
    tidied = library.untidy(chosen[0].name if chosen else args["run"])
    folders = sorted({str(Path(path).parent) for path in tidied.moved})
    library.index(folders, workers=0)  # what came back is seen again
    return tidied.to_json()


WORK: dict[str, Work] = {
    "index": index,
    "sample": sample,
    "map": layout,
    "merge": merge,
    "render": render,
    "compare": compare,
    "synth": synth,
    "convert": convert_files,
    "resize": resize_files,
    "metadata": change_metadata,
    "tidy-plan": tidy_plan,
    "tidy-apply": tidy_apply,
    "tidy-undo": tidy_undo,
}
