"""The report: one HTML file that needs nothing from outside, and a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lorarium.errors import plain
from lorarium.evaluation.html import html_page, table

Figures = Mapping[str, Any]
HEAD = (
    "",
    "score",
    "passes",
    "class",
    "apart",
    "share of the tuned training's gain",
    "seconds each",
)


def page(document: Figures) -> str:
    """The whole document as a page."""
    parts = [
        "<h1>LoRAs from pictures</h1>",
        f"<p>Split {document['options']['split']}, judge {document['judge']}, "
        f"base {str(document['base_hash'])[:12]}, generator {str(document['generator'])[:12]}.</p>",
        "<p><b>score</b>: cosine with the artist's or individual's other pictures. "
        "<b>passes</b>: share above the judge's threshold. <b>class</b>: share that show what was "
        "asked for. <b>apart</b>: distance (MMD²) to true pictures for a DINO-like encoder, which "
        "nothing learned from. <b>gain</b>: above the base in words, against the tuned "
        "training.</p>",
    ]
    for kind, report in document["kinds"].items():
        count = len(report["targets"])
        members = "artists" if kind == "style" else "individuals"
        parts.append(
            f"<h2>{kind.capitalize()}: {count} {members}, {report['cells']} cells each</h2>"
        )
        for group, figures in report["groups"].items():
            lines = [
                [
                    r["name"],
                    r["score"],
                    r["passes"],
                    r["class"],
                    r["apart"],
                    _interval(r["gain"]),
                    r["seconds"],
                ]
                for r in figures["rows"]
            ]
            parts += [f"<h3>{group}</h3>", table(HEAD, lines)]
            pairs = [[f"{p['row']} less {p['less']}", _interval(p)] for p in figures["paired"]]
            parts.append(table(("", "paired difference of scores"), pairs))
        if report["memorised"]:
            parts.append("<h3>Whom drawings are nearer to than to the target</h3>")
            parts.append(_figures_of(report["memorised"]["rows"]))
        if report["weights"]:
            parts.append("<h3>Among the LoRAs of the folder, by the output side</h3>")
            parts.append(_figures_of(report["weights"]["rows"]))
    return html_page("LoRAs from pictures", parts)


def summary(document: Figures) -> str:
    """The rows, for a terminal."""
    lines = []
    for kind, report in document["kinds"].items():
        for group, figures in report["groups"].items():
            lines.append(f"{kind}, {group}")
            lines.append(f"{'':28}{'score':>8}{'passes':>8}{'apart':>8}{'gain':>24}{'seconds':>9}")
            for r in figures["rows"]:
                apart = "" if r["apart"] is None else f"{r['apart']:.3f}"
                seconds = "" if r["seconds"] is None else f"{r['seconds']:.2f}"
                lines.append(
                    f"{plain(r['name'])[:27]:28}{r['score']:>8.3f}{r['passes']:>8.3f}"
                    f"{apart:>8}{_interval(r['gain']):>24}{seconds:>9}"
                )
    return "\n".join(lines)


def _figures_of(rows: Mapping[str, Figures]) -> str:
    names = list(next(iter(rows.values()), {}))
    lines = [[row, *(_number_text(f[name]) for name in names)] for row, f in rows.items()]
    return table(("", *names), lines)


def _number_text(value: Any) -> float | str:
    return _interval(value) if value is None or isinstance(value, dict) else float(value)


def _interval(interval: Figures | None) -> str:
    if interval is None:
        return "–"
    return f"{interval['mean']:+.3f} [{interval['low']:+.3f}, {interval['high']:+.3f}]"
