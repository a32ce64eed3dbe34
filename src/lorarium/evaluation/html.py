"""Reports as one HTML file that needs nothing from outside.

Names come from files, so every text is escaped; there is no script.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from lorarium.errors import plain

STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem;
color:#1c1c1e;background:#fff}
table{border-collapse:collapse;margin:.6rem 0 1.6rem;font-variant-numeric:tabular-nums}
th,td{padding:.2rem .7rem;border-bottom:1px solid #ddd;text-align:right}
th:first-child,td:first-child{text-align:left}
figure{display:inline-block;margin:0 1rem 1rem 0}svg{width:22rem;height:22rem;background:#f7f7f8}
.scroll{overflow-x:auto}
@media(prefers-color-scheme:dark){body{background:#151517;color:#eee}svg{background:#222}
th,td{border-color:#333}}
"""


def html_page(title: str, parts: Iterable[str], style: str = "") -> str:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{text(title)}</title>'
        f"<style>{STYLE}{style}</style><body>{''.join(parts)}</body></html>\n"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    top = "".join(f"<th>{text(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{text(number(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f'<div class="scroll"><table><tr>{top}</tr>{body}</table></div>'


def bullets(lines: Iterable[Any]) -> str:
    return "<ul>" + "".join(f"<li>{text(line)}</li>" for line in lines) + "</ul>"


def number(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 0.01 else f"{value:.3f}"
    return str(value)


def text(value: Any) -> str:
    return escape(plain(str(value)))
