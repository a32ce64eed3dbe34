"""`adopted.html`: what came out of an adoption, and what of it is worth using."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lorarium.adopted import AdoptedBase
from lorarium.evaluation.html import bullets, html_page, table, text
from lorarium.formats.target import write_atomically
from lorarium.recipes.adoption.examine import CARRIED, GENERATED_SHEET, MERGED_SHEET

PAGE = "adopted.html"
Figures = Mapping[str, Any]
SOME = 0.05  # of pictures must be accepted, or a difference is none of use
STYLE = "img{max-width:100%;image-rendering:pixelated}"


def write_page(base: AdoptedBase) -> Path:
    kept = base.folder / "runs" / "examined.json"
    figures = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    path = base.folder / PAGE
    write_atomically(path, [page(base, figures).encode()], force=True)
    return path


def page(base: AdoptedBase, figures: Figures) -> str:
    card = base.card
    parts = [
        f"<h1>{text(base.name)}</h1>",
        f"<p>{text(base.family)}, base {text(base.base_hash[:12])}, {card['size']} pixels, "
        f"{card['share']:g} of a whole effort. The base lies at {text(card['where'])}.</p>",
        "<h2>What is worth using</h2>",
        bullets(verdicts(figures) or ["nothing was examined"]),
    ]
    if "merge" in figures:
        parts += _merges(figures["merge"]["screening"])
        parts.append(_picture(base.folder / MERGED_SHEET, "what merges draw"))
    if "synth" in figures:
        parts += _generated(figures["synth"]["kinds"])
        parts.append(_picture(base.folder / GENERATED_SHEET, "what is drawn from pictures"))
    if "describe" in figures:
        parts += _retrieval(figures["describe"]["kinds"])
    took = [
        [name, card["planned"].get(name, 0) / 60, card["done"].get(name, 0) / 60]
        for name in card["stages"]
    ]
    parts += ["<h2>Minutes</h2>", table(["stage", "planned", "took"], took)]
    return html_page(base.name, parts, STYLE)


def verdicts(figures: Figures) -> list[str]:
    """A sentence for each thing that was learned: whether it wins over what needs no learning."""
    lines = []
    if "merge" in figures:
        section = figures["merge"]["screening"]
        rates = {row["name"]: row["both"] for row in section["rows"]}
        for one in section["paired"]:
            if one["less"] == "sum" and one["row"] in ("roles", "lora-rar"):
                verdict = _verdict(rates[one["row"]], one["both"], "the sum")
                lines.append(f"merges by {one['row']}: {verdict}")
    for kind, figure in figures.get("synth", {}).get("kinds", {}).items():
        section = figure["groups"]["seen"]
        rates = {row["name"]: row["passes"] for row in section["rows"]}
        for one in section["paired"]:
            if one["less"] == "nearest by pictures":
                verdict = _verdict(rates[one["row"]], one, "the nearest trained adapter")
                lines.append(f"generated {kind}s: {verdict}")
    for kind, figure in figures.get("describe", {}).get("kinds", {}).items():
        rows = {row["name"]: _r_at_1(row) for row in figure["rows"]}
        free = [
            r for row in figure["rows"] if row["sort"] == "weights" and (r := rows[row["name"]])
        ]
        if free and rows.get("probe") is not None:
            lines.append(
                f"search for {kind}s: the probe finds {rows['probe']:.2f} at once, the best "
                f"descriptor without training {max(free):.2f}"
            )
    return lines


def _verdict(rate: float, interval: Figures, other: str) -> str:
    if rate < SOME:
        return f"not worth using, the reporter accepts {rate:.2f} of its pictures"
    low, high = interval["low"], interval["high"]
    size = f"{interval['mean']:+.3f} [{low:+.3f}, {high:+.3f}]"
    if low > 0:
        return f"worth using, better than {other} ({size})"
    if high < 0:
        return f"not worth using, worse than {other} ({size})"
    return f"no difference to {other} can be told ({size})"


def _r_at_1(row: Figures) -> float | None:
    """Across recipes where that was asked, as people's files differ."""
    splits = row["splits"]
    for name in ("cross", "same"):
        if name in splits:
            return float(splits[name]["r_at_1"])
    return None


def _merges(section: Figures) -> list[str]:
    rows = [
        [row["name"], row["both"], row["subject"], row["style"], row["class"]]
        for row in section["rows"]
    ]
    note = f"{CARRIED}: the numbers that ship for the embedded base, nothing learned here."
    return [
        "<h2>Merges of a subject and a style</h2>",
        f"<p>Shares of pictures that the reporter accepts. {text(note)}</p>",
        table(["", "both", "subject", "style", "class"], rows),
    ]


def _generated(kinds: Figures) -> list[str]:
    parts = ["<h2>Adapters from pictures</h2>"]
    for kind, figure in kinds.items():
        rows = [
            [
                row["name"],
                row["passes"],
                row["class"],
                row["score"],
                (row["gain"] or {}).get("mean"),
            ]
            for row in figure["groups"]["seen"]["rows"]
        ]
        head = ["", "accepted", "class", "likeness", "share of the training's gain"]
        parts += [f"<h3>{text(kind.capitalize())}s</h3>", table(head, rows)]
    return parts


def _retrieval(kinds: Figures) -> list[str]:
    parts = ["<h2>Search by an adapter</h2>"]
    for kind, figure in kinds.items():
        rows = [
            [row["name"], *(row["splits"].get(s, {}).get("r_at_1") for s in ("same", "cross"))]
            for row in figure["rows"]
        ]
        head = ["finds another of the same at once", "same recipe", "other recipe"]
        parts += [f"<h3>{text(kind.capitalize())}s</h3>", table(head, rows)]
    return parts


def _picture(path: Path, about: str) -> str:
    if not path.is_file():
        return ""
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f'<p><img alt="{text(about)}" src="data:image/png;base64,{data}"></p>'
