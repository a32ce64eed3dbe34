"""Whether anything is slower than it was."""

from __future__ import annotations

from typing import Any


def speed_before(document: dict[str, Any]) -> list[str]:
    lines = [
        "Processor seconds of whole programs, the least of so many runs by turns; before is "
        f"{document['before'][:7]}. numpy is the same on both sides: what its row shows is noise.",
        "",
        "| | runs | before | now | now / before |",
        "|---|---|---|---|---|",
    ]
    for task in document["tasks"]:
        before, now = task["before"]["best"], task["now"]["best"]
        runs, ratio = len(task["now"]["all"]), task["ratio of the best"]
        lines.append(f"| {task['task']} | {runs} | {before:.2f} | {now:.2f} | {ratio:.2f} |")
    return lines
