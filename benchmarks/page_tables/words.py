"""Tables of search by words."""

from __future__ import annotations

from typing import Any

from page_tables.form import table

PARTS = {"tuning": "for tuning", "untouched": "untouched"}
HEAD = ("queries", "right file first", "among the first three", "called close",
        "absent, and called so", "ms, median")  # fmt: skip


def words(result: dict[str, Any]) -> list[str]:
    """Of written queries: where the right file came, and whether what is absent is called so."""
    rows = []
    for part, name in PARTS.items():
        of = result[part]
        rows.append(
            (
                f"{of['queries']} {name}", str(of["first"]), str(of["among_first_three"]),
                str(of["close"]), f"{of['absent_called_so']} of {of['absent']}",
                f"{of['median_ms']:.0f}",
            )
        )  # fmt: skip
    return table(HEAD, rows)


def words_engines(result: dict[str, Any]) -> list[str]:
    """Time, size and what is right, for each engine."""
    lance = result["LanceDB FTS"]
    engines = {
        "sqlite FTS5, trigrams": result["sqlite FTS5, trigrams"],
        **{f"LanceDB, {edits}": {**lance, **lance[edits]} for edits in lance if "edits" in edits},
        "lorarium, sqlite FTS5": result["lorarium on sqlite FTS5"],
    }
    head = ("engine", "built in, s", "MB", "query, ms", "among the first three")
    rows = [
        (
            name, f"{of['build_s']:.1f}", f"{of['bytes'] / 1e6:.0f}", f"{of['median_ms']:.0f}",
            f"{of['among_first_three']} of {of['queries']}",
        )
        for name, of in engines.items()
    ]  # fmt: skip
    ours = result["lorarium on sqlite FTS5"]
    return [
        *table(head, rows),
        "",
        f"Ours holds the facts of each file too, so that nothing else is read: the command takes "
        f"{result['lorarium search, all of it, s']:.2f} s of the processor from its start to its "
        f"end, where importing LanceDB alone takes {result['import lancedb, s']:.1f} s. One file "
        f"more is in the index after {ours['one_file_more_s']:.1f} s.",
    ]
