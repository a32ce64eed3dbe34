"""The report of `evaluate merge`: one HTML file without scripts, and a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lorarium.errors import plain
from lorarium.evaluation.html import bullets, html_page, table, text

Figures = Mapping[str, Any]
RATES = ("both", "subject", "style", "class", "subject similarity", "style similarity")
COSTS = ("merge seconds", "seconds a picture")


def page(document: Figures) -> str:
    """The whole document as a page."""
    title = f"Merges on {document['zoo']}"
    parts = [f"<h1>{text(title)}</h1>", _lead(document)]
    for name in ("headline", "screening", "of three", "of four"):
        if section := document.get(name):
            parts += _section(name, section)
    for name, points in document.get("curves", {}).items():
        lines = [[p["row"], *(p[key] for key in RATES)] for p in points]
        parts.append(f"<h2>Curve: {text(name)}</h2>{table(['', *RATES], lines)}")
    if distances := document.get("distances"):
        lines = [[name, value] for name, value in sorted(distances.items(), key=lambda p: p[1])]
        parts.append(f"<h2>Distance to true pictures</h2>{table(['', 'MMD²'], lines)}")
    if document["skipped"]:
        parts += ["<h2>Not measured</h2>", bullets(document["skipped"])]
    return html_page("Merges", parts)


def summary(document: Figures) -> str:
    """Pass rates of every row of the largest table, for a terminal."""
    section = document.get("headline") or document["screening"]
    cells = " x ".join(map(str, section["cells"]))
    lines = [f"{cells} cells, {section['pictures']} pictures each; share that passes as"]
    lines.append(f"{'':42}" + "".join(f"{key:>9}" for key in RATES[:3]))
    for row in sorted(section["rows"], key=lambda row: -row["both"]):
        values = "".join(f"{row[key]:9.3f}" for key in RATES[:3])
        lines.append(f"{plain(row['name'])[:41]:42}{values}")
    return "\n".join(lines)


def _lead(document: Figures) -> str:
    o = document["options"]
    return (
        f"<p>Split {text(o['split'])}, judge {text(o['judge'])}, {o['steps']} sampling steps, "
        f"base {text(str(document['base_hash'])[:12])}.</p>"
    )


def _section(name: str, section: Figures) -> list[str]:
    cells = " x ".join(map(str, section["cells"]))
    columns = [*RATES, *(k for k in section["rows"][0] if "_like" in k), *COSTS]
    lines = [
        [row["name"], *(row[key] for key in columns)]
        for row in sorted(section["rows"], key=lambda row: -row["both"])
    ]
    pairs = [
        [f"{p['row']} less {p['less']}",
         f"{p['both']['mean']:+.3f} [{p['both']['low']:+.3f}, {p['both']['high']:+.3f}]"]
        for p in section["paired"]
    ]  # fmt: skip
    return [
        f"<h2>{text(name.capitalize())}: {cells} cells, {section['pictures']} pictures each</h2>",
        table(["", *columns], lines),
        "<h3>Paired differences of “both”, with 95% intervals</h3>",
        table(["", "both"], pairs),
    ]
