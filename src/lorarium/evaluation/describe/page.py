"""The report: one HTML file that needs nothing from outside, and a table for the terminal.

Names come from files, so every text is escaped; there is no script.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from lorarium.errors import plain
from lorarium.evaluation.describe.folds import SPLITS
from lorarium.evaluation.html import bullets, html_page, number, table, text

Figures = Mapping[str, Any]
FIGURES = (
    ("r_at_1", "R@1"),
    ("r_at_1 in its group", "R@1 in its group"),
    ("map", "mAP"),
    ("centroid", "centroid"),
    ("null", "chance"),
    ("p", "p"),
)


def page(document: Figures) -> str:
    """The whole document as a page."""
    parts = [f"<h1>{text('Descriptors on ' + str(document['zoo']))}</h1>"]
    parts.append(f"<p>Split {text(document['options']['split'])}, base "
                 f"{text(str(document['base_hash'])[:12])}.</p>")  # fmt: skip
    for kind, report in document["kinds"].items():
        parts += _kind(kind, report)
    if document["skipped"]:
        parts += ["<h2>Not measured</h2>", bullets(document["skipped"])]
    return html_page("Descriptors", parts)


def summary(document: Figures) -> str:
    """R@1 of every row by split, for a terminal."""
    lines = []
    for kind, report in document["kinds"].items():
        head = f"{report['artists']} {'artists' if kind == 'style' else 'individuals'}"
        lines.append(f"{kind}: {report['adapters']} adapters of {head}, R@1")
        lines.append(f"{'':28}" + "".join(f"{split:>9}" for split in SPLITS))
        for row in report["rows"]:
            rates = [number(row["splits"].get(s, {}).get("r_at_1")) for s in SPLITS]
            lines.append(f"{plain(row['name'])[:27]:28}" + "".join(f"{text:>9}" for text in rates))
    return "\n".join(lines)


def _kind(kind: str, report: Figures) -> list[str]:
    members = "artists" if kind == "style" else "individuals"
    parts = [
        f"<h2>{text(kind.capitalize())}s: {report['adapters']} adapters of {report['artists']} "
        f"{members} in {report['groups']} groups</h2>",
        f"<p>The usual recipe is {text(report['usual'])}. <b>same</b>: its copies ask each other; "
        "<b>cross</b>: other recipes ask them; <b>random</b>: so do adapters of random recipes. "
        "A group is a genre or a class.</p>",
    ]
    for split in SPLITS:
        rows = [
            [row["name"], *(row["splits"][split].get(key) for key, _ in FIGURES)]
            for row in report["rows"]
            if split in row["splits"]
        ]
        if rows:
            parts.append(f"<h3>Retrieval, {split}</h3>")
            parts.append(table(["", *(name for _, name in FIGURES)], rows))
    parts += ["<h3>Clusters</h3>", _clusters(report["rows"])]
    parts += ["<h3>Strangers refused, and what a reading costs</h3>", _costs(report["rows"])]
    parts += ["<h3>Paired differences, with 95% intervals</h3>", _paired(report["paired"])]
    for truth, maps in report["structure"].items():
        parts.append(f"<h3>Structure beside {text(truth)}</h3>{_nested(maps)}")
    for row, changes in report["stability"].items():
        parts.append(f"<h3>After a change: {text(row)}</h3>{_nested(changes)}")
    parts.append(f"<h3>What else can be read (R²)</h3>{_nested(report['traces'])}")
    parts.append(f"<h3>Which part carries what</h3>{_parts(report['parts'])}")
    if "behaviour" in report:
        parts.append("<h3>What it does to pictures, foretold from weights</h3>")
        parts.append(_nested(report["behaviour"]))
    for question, answers in report["questions"].items():
        flat = {
            f"{name}, {part}" if part else name: figures
            for name, by_part in answers.items()
            for part, figures in (by_part.items() if question == "words" else [("", by_part)])
        }
        if flat:
            parts.append(f"<h3>Asked by {text(question)}</h3>{_nested(flat)}")
    if report["map"]:
        parts.append(f"<h3>Map by {text(report['map']['row'])}</h3>")
        parts += [_map(report["map"]["points"], by) for by in ("group", "artist", "recipe")]
    return parts


def _clusters(rows: Sequence[Figures]) -> str:
    names = ("ari k-means", "nmi k-means", "ari linkage", "nmi linkage", "silhouette")
    lines = [
        [row["name"], f"{which}, {label}", *(figures.get(name) for name in names)]
        for row in rows
        for which, labels in row["clusters"].items()
        for label, figures in labels.items()
        if figures
    ]
    return table(["", "of", *names], lines)


def _costs(rows: Sequence[Figures]) -> str:
    ways = [(way, s) for way in ("nearest", "standing") for s in SPLITS]
    lines = [
        [row["name"], *(row["rejection"][w].get(s) for w, s in ways), row["seconds"], row["bytes"]]
        for row in rows
    ]
    heads = [f"AUROC of {way}, {s}" for way, s in ways]
    return table(["", *heads, "seconds each", "bytes each"], lines)


def _paired(pairs: Sequence[Figures]) -> str:
    lines = [
        [f"{p['row']} less {p['less']}", p["split"], *(_interval(p[k]) for k in ("r_at_1", "map"))]
        for p in pairs
    ]
    return table(["", "split", "R@1", "mAP"], lines)


def _nested(named: Mapping[str, Figures]) -> str:
    keys = list(dict.fromkeys(key for figures in named.values() for key in figures))
    return table(["", *keys], [[name, *(f.get(k) for k in keys)] for name, f in named.items()])


def _parts(selections: Mapping[str, Figures]) -> str:
    """A row for each selection of modules and reading of it."""
    lines = []
    for selection, row in selections.items():
        for name in ("output", "probe", "input"):
            reading = row.get(name, {})
            hits = [
                reading.get(s, {}).get(key) for s in ("same", "cross") for key in ("r_at_1", "map")
            ]
            if reading:
                lines.append([selection, row["adapters"], row["energy"], name, *hits,
                              reading.get("recipe"), reading.get("recipe by chance")])  # fmt: skip
    figures = [f"{name} {split}" for split in ("same", "cross") for name in ("R@1", "mAP")]
    head = ["modules", "adapters", "energy", "read by", *figures, "same recipe", "chance"]
    return table(head, lines)


def _map(points: Sequence[Figures], by: str) -> str:
    dots = "".join(
        f'<circle cx="{5 + 190 * p["x"]:.1f}" cy="{5 + 190 * p["y"]:.1f}" r="1.9" '
        f'fill="{_hue(str(p[by]))}"><title>{text(p["id"])}</title></circle>'
        for p in points
    )
    return (
        f'<figure><svg viewBox="0 0 200 200">{dots}</svg><figcaption>by {by}</figcaption></figure>'
    )


def _hue(word: str) -> str:
    turn = int.from_bytes(hashlib.sha256(word.encode()).digest()[:2], "big")
    return f"hsl({turn % 360} {55 + turn % 3 * 15}% {42 + turn % 5 * 5}%)"


def _interval(interval: Figures) -> str:
    return f"{interval['mean']:+.3f} [{interval['low']:+.3f}, {interval['high']:+.3f}]"
