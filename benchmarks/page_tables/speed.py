"""The table of what became slower or faster."""

from __future__ import annotations

from typing import Any


def speed_before(document: dict[str, Any]) -> list[str]:
    """Whole programs of another checkout and of this one."""
    table = [
        f"Processor seconds of whole programs, the least of {document['runs']} runs by turns; "
        f"before is {document['before'][:7]}:",
        "",
        "| | before | now | now / before |",
        "|---|---|---|---|",
    ]
    for one in document["tasks"]:
        best = one["before"]["best"], one["now"]["best"]
        ratio = one["ratio of the best"]
        table.append(f"| {one['task']} | {best[0]:.2f} | {best[1]:.2f} | {ratio:.2f} |")
    return table
