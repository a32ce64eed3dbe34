"""The report of `evaluate files`: one HTML file without scripts, a table for the terminal, and the
contact sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from lorarium.errors import one_line
from lorarium.evaluation.files.drawing import BASE_NAME, DrawnPictures, FileContender
from lorarium.evaluation.html import html_page, table, text
from lorarium.evaluation.judging.comparison import Array, Aspect
from lorarium.pictures import enlarged, grid, labelled, write_png

Figures = Mapping[str, Any]
MOST_PROMPTS = 24  # rows of the sheet


def page(document: Figures, sheet: str) -> str:
    """The whole document as a page; `sheet` is the file name of the contact sheet."""
    parts = [
        "<h1>Files judged</h1>",
        f"<p>{len(document['prompts'])} prompts x {document['each']} pictures of each file, "
        f"{document['steps']} steps, base {text(document['base'])} "
        f"{text(str(document['base_hash'])[:12])}. Intervals hold for all pairs of a judge at "
        "once, at 95%.</p>",
    ]
    for judge in document["judges"]:
        parts += _judge(judge)
    if document["kappa"]:
        lines = [[" and ".join(k["judges"]), k["kappa"]] for k in document["kappa"]]
        parts.append(f"<h2>Agreement of judges</h2>{table(['', 'kappa'], lines)}")
    parts += _copies(document)
    parts.append(f'<h2>Pictures</h2><img src="{escape(sheet)}" alt="contact sheet">')
    return html_page("Files judged", parts, "img{max-width:100%;image-rendering:pixelated}")


def summary(document: Figures) -> str:
    """Rankings and what can be told, for a terminal."""
    lines = []
    for judge in document["judges"]:
        aspects = list(judge["rows"][0]["aspects"])
        head = f"{one_line(judge['judge'], 41):42}{'grade':>9}"
        lines.append(head + "".join(f"{a:>9}" for a in [*aspects, "both"][: _columns(aspects)]))
        for row in _ordered(judge["rows"]):
            values = [row["aspects"][a]["passes"] for a in aspects] + [row["passes"]]
            rates = "".join(_rate(v) for v in values[: _columns(aspects)])
            lines.append(f"{one_line(row['name'], 41):42}{row['grade']:9.3f}{rates}")
        lines.append(f"  {judge['sentence']}")
        lines += [f"  note: {one_line(note)}" for note in judge["notes"]]
        if "books" in judge:
            books = judge["books"]
            lines.append(
                f"  {books['requests']} requests in all, {books['question_tokens']} + "
                f"{books['answer_tokens']} tokens, {books['money']} spent"
            )
    for couple in document["kappa"]:
        value = "undefined" if couple["kappa"] is None else f"{couple['kappa']:.2f}"
        lines.append(f"kappa of {one_line(' and '.join(couple['judges']), 100)}: {value}")
    flagged = [(file["name"], len(file["copies"])) for file in document["files"] if file["copies"]]
    count = len(document["prompts"]) * document["each"]
    lines += [f"{one_line(n, 80)}: {c} of {count} pictures copy a reference" for n, c in flagged]
    return "\n".join(lines)


def write_sheet(
    path: Path,
    rows: Sequence[FileContender],
    drawn: DrawnPictures,
    references: Mapping[Aspect, Array],
    *,
    force: bool = False,
) -> None:
    """The first picture of each prompt and file, and of the base; above them references."""
    rows = [*rows, FileContender(BASE_NAME, None, 1.0, "")]
    settings, size = drawn.settings, drawn[rows[0]].shape[1]
    known = [r for pictures in references.values() for r in pictures]
    columns = len(rows)
    chosen = np.linspace(0, len(known) - 1, columns).round().astype(int)
    every = np.unique(np.linspace(0, len(settings.prompts) - 1, MOST_PROMPTS).round().astype(int))
    pictures = [known[i] for i in chosen]
    pictures += [drawn[row][i * settings.each] for i in every for row in rows]
    times = max(1, 96 // size)
    sheet = grid(enlarged(np.stack(pictures), times), columns)
    top = [_ending(row.name, max(8, size * times // 8)) for row in rows]
    left = ["references", *(one_line(settings.prompts[i], 40) for i in every)]
    picture = labelled(sheet, top, left, size * times)
    write_png(path, picture, {"lorarium": "evaluate files"}, force=force)


def _judge(judge: Figures) -> list[str]:
    aspects = list(judge["rows"][0]["aspects"])
    names = ["", "grade", *aspects, *(["both"] if len(aspects) > 1 else [])]
    mars = next((list(row["mars2"]) for row in judge["rows"] if row["mars2"]), [])
    lines = [
        [
            row["name"], row["grade"], *(row["aspects"][a]["passes"] for a in aspects),
            *([row["passes"]] if len(aspects) > 1 else []),
            *((row["mars2"] or {}).get(key) for key in mars),
        ]
        for row in _ordered(judge["rows"])
    ]  # fmt: skip
    pairs = [
        [
            f"{p['better']} less {p['worse']}",
            _interval(p["difference"]),
            "yes" if p["told"] else "no",
        ]
        for p in judge["pairs"]
    ]
    controls = [
        [aspect, c["references"], c["strangers"]] for aspect, c in judge["controls"].items()
    ]
    notes = "".join(f"<li>{text(note)}</li>" for note in judge["notes"])
    return [
        f"<h2>{text(judge['judge'])}: {text(judge['sentence'])}</h2>",
        f"<ul>{notes}</ul>" if notes else "",
        table([*names, *(f"MARS², {key}" for key in mars)], lines),
        "<h3>Paired differences of grades</h3>",
        table(["", "difference", "can be told"], pairs),
        "<h3>Controls: share that the judge passes</h3>",
        table(["", "references among themselves", "strangers"], controls),
    ]


def _copies(document: Figures) -> list[str]:
    lines = [
        [
            file["name"],
            document["prompts"][copy["picture"] // document["each"]],
            copy["reference"],
            copy["kind"],
            copy["score"],
        ]
        for file in document["files"]
        for copy in file["copies"]
    ]
    if not lines:
        return ["<h2>Copies</h2><p>No picture copies a reference.</p>"]
    return ["<h2>Copies</h2>", table(["", "prompt", "reference", "by", "score"], lines)]


def _interval(difference: Figures) -> str:
    mean, low, high = (difference[key] for key in ("mean", "low", "high"))
    return f"{mean:+.3f}" + ("" if low is None else f" [{low:+.3f}, {high:+.3f}]")


def _ending(name: str, letters: int) -> str:
    """The end of a name, where checkpoints of one run differ."""
    name = one_line(name)
    return name if len(name) <= letters else "…" + name[1 - letters :]


def _ordered(rows: Sequence[Figures]) -> list[Figures]:
    return sorted(rows, key=lambda row: -row["grade"])


def _columns(aspects: Sequence[str]) -> int:
    return 1 if len(aspects) == 1 else len(aspects) + 1


def _rate(value: float | None) -> str:
    return f"{'–':>9}" if value is None else f"{value:9.2f}"
