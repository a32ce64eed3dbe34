"""What jobs do: each a function of what the server asked for (paths that it checked) and a
progress. All of it is what the commands do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lorarium import formats
from lorarium.errors import LorariumError
from lorarium.library import Library
from lorarium.studio.grounds import Grounds
from lorarium.studio.points import write_map

Args = Mapping[str, Any]
Progress = Callable[..., None]


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
    out = Grounds.of(args["folders"]).inside(args["out"])
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
    """The merge, and each input alone, from the same noises: one sheet, a row for each."""
    from lorarium.bases.base import open_base
    from lorarium.bases.render import render as draw
    from lorarium.pictures import enlarged, write_png

    merged, _, adapters = merged_with_report(args, progress)
    base = open_base(args.get("base"))
    rows: list[list[tuple[Any, float]]] = [[(merged, 1.0)]]
    if args["alone"]:
        rows += [[(a, 1.0)] for a in adapters] + [[]]
    count, steps = args["count"], args["steps"]
    names = []
    for i, loras in enumerate(rows):

        def advance(done: int, total: int, row: int = i) -> None:
            progress(row * total + done, len(rows) * total, "drawing")

        drawn = draw(
            [args["prompt"]],
            loras=loras,
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
    return {"pictures": names, "columns": count, "rows": len(rows), "seed": args["seed"]}


def synth(args: Args, progress: Progress) -> dict[str, Any]:
    from lorarium.synthesis.run import synthesize_files

    out = Grounds.of(args["folders"]).inside(args["out"])
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
        "distance": round(made.distance, 3),
        "warnings": list(made.warnings),
        "seconds": round(made.seconds, 2),
        "modules": len(made.adapter),
    }


def tidy_plan(args: Args, progress: Progress) -> dict[str, Any]:
    progress(0, 0, "comparing files")
    plan = Library(args["library"]).tidy_plan()
    plan.save(Path(args["plan"]), force=True)
    return {"items": len(plan.items), "bytes_to_win": plan.bytes_to_win}


def tidy_apply(args: Args, progress: Progress) -> dict[str, Any]:
    """Carry out those items of the plan that were chosen; all else of it stays as it was."""
    from lorarium.library.tidy_plan import Plan

    plan = Plan.load(Path(args["plan"]))
    if plan.made != args["made"]:
        raise LorariumError("there is a newer plan", hint="look at it first")
    grounds, chosen = Grounds.of(args["folders"]), set(args["chosen"])
    items = tuple(replace(i, chosen=n in chosen) for n, i in enumerate(plan.items))
    for item in items:
        if item.chosen:
            for path in filter(None, (item.path, item.to, *item.beside)):
                grounds.inside(path)
    count, done = len(chosen), 0

    def on_move(path: str, problem: str) -> None:
        nonlocal done
        done += 1
        progress(min(done, count), count, "moving")

    tidied = Library(args["library"]).tidy(replace(plan, items=items), on_move)
    return tidied.to_json()


def tidy_undo(args: Args, progress: Progress) -> dict[str, Any]:
    progress(0, 0, "putting back")
    library = Library(args["library"])
    tidied = library.untidy(args["run"])
    folders = sorted({str(Path(path).parent) for path in tidied.moved})
    library.index(folders, workers=0)  # what came back is seen again
    return tidied.to_json()


WORK: dict[str, Callable[[Args, Progress], dict[str, Any]]] = {
    "index": index,
    "sample": sample,
    "map": layout,
    "merge": merge,
    "render": render,
    "synth": synth,
    "tidy-plan": tidy_plan,
    "tidy-apply": tidy_apply,
    "tidy-undo": tidy_undo,
}
