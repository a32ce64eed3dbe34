"""What the page shows of one file and of a plan to tidy."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from lorarium.errors import LorariumError, one_line
from lorarium.files import exists
from lorarium.formats.inspection.inspect import inspect_file
from lorarium.library.tidy import local_folder, runs_away
from lorarium.library.tidy_plan import PLAN, Plan
from lorarium.studio.shelf import card_row
from lorarium.studio.state import StudioState

LONGEST_VALUE, MOST_VALUES = 4000, 300
PROMPT_WORDS = 6


def card(studio: StudioState, key: str) -> dict[str, Any]:
    """`inspect`'s facts, what the library knows, notes, and words to copy."""
    row = studio.row(key)
    facts: dict[str, Any] = {"ok": False, "error": row["error"]}
    try:
        path = studio.allowed.file(row["path"])
        facts = inspect_file(path).to_json()
    except LorariumError as error:
        facts["error"] = str(error)
    metadata = facts.get("metadata") or {}
    cut = {one_line(k, 100): one_line(v, LONGEST_VALUE) for k, v in list(metadata.items())}
    facts["metadata"] = dict(sorted(cut.items())[:MOST_VALUES])
    on_card = card_row(row)
    words = [w["text"] for w in (facts.get("training") or {}).get("trigger_words", [])]
    return {
        "row": on_card,
        "path": one_line(row["path"]),
        "facts": {**facts, "path": None},
        "words": words[:40],
        "prompt": prompt(on_card["name"], words or on_card["words"]),
        "note": studio.notes.of(on_card["content"]),
    }


def prompt(name: str, words: list[str]) -> str:
    """What one writes to use it, as the usual interfaces read it."""
    return ", ".join([*words[:PROMPT_WORDS], f"<lora:{name}:0.8>"])


def tidy_plan(studio: StudioState) -> dict[str, Any]:
    """The plan as it lies there, and the runs that can be taken back."""
    store = studio.library.store
    home = local_folder(store)
    runs = [
        {"run": run.name, "files": len(run.files)}
        for run in runs_away(store)
        if all(map(studio.allowed.has, run.files))
    ]
    document: dict[str, Any] = {"plan": None, "runs": runs[::-1]}
    if exists(home / PLAN):
        plan = Plan.load(home / PLAN)
        items = []
        for number, item in enumerate(plan.items):
            paths = [p for p in (item.path, item.to, *item.beside) if p]
            if all(studio.allowed.has(path) for path in paths):
                items.append(
                    {
                        "number": number,
                        "why": item.why,
                        "file": studio.shelf.short(item.path),
                        "folder": one_line(str(PurePath(item.path).parent)),
                        "reason": one_line(item.reason.removeprefix(f"of {item.keeper} "), 600),
                        "bytes": item.bytes_to_win,
                        "chosen": item.chosen,
                        "to": one_line(PurePath(item.to).name),
                        "keeper": studio.shelf.short(item.keeper) if item.keeper else None,
                        "beside": [one_line(PurePath(p).name) for p in item.beside],
                    }
                )
        document["plan"] = {"made": str(plan.made), "items": items}
    return document
