"""How results show themselves in a notebook: small tables, with nothing in them but text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lorarium.errors import plain


def html_table(rows: Iterable[Sequence[object]], head: Sequence[object] = ()) -> str:
    """Rows of cells as HTML; what files say in them is never markup."""
    from html import escape  # no start of the program has a use for it

    def row(cells: Sequence[object], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(plain(str(c)))}</{tag}>" for c in cells) + "</tr>"

    lines = [row(head, "th")] if head else []
    return "<table>" + "".join([*lines, *(row(cells, "td") for cells in rows)]) + "</table>"
