"""Figures of the studio and of tidying."""

from __future__ import annotations

from typing import Any


def tidy_killed(result: dict[str, Any]) -> list[str]:
    """What fifty kills came to."""
    apply, undo = result["apply"], result["undo"]
    kills = apply["killed"] + undo["killed"]
    half = apply["killed_half_way"] + undo["killed_half_way"]
    end = "all was put back" if result["back"] else "NOT all was put back"
    return [
        f"`benchmarks/tidy_killed.py` ended `--apply` ({apply['runs']} times) and `--undo` "
        f"({undo['runs']} times) after a random while: {kills} were still at work, {half} of them "
        f"with some files moved and others not. {result['lost']} of {result['files']} files were "
        f"ever lost or elsewhere than the journal said, and at the end {end}."
    ]


def studio(result: dict[str, Any]) -> list[str]:
    """How soon the page stands, and how it moves, with many files."""
    lines = [
        "| what | first seen, s | computed for it, s | frame, ms (95%) | computed for it, ms "
        "| by the page itself | memory, MB |",
        "|---|---|---|---|---|---|---|",
    ]
    rows = [(f"shelf of {row['count']:,} cards", row) for row in result["cards"]]
    rows += [(f"map of {row['count']:,} points", row) for row in result["map"]]
    for name, row in rows:
        lines.append(
            f"| {name} | {row['first_s']:.2f} | {row['first_cpu_s']:.2f} "
            f"| {row['frame_ms']['median']:.0f} ({row['frame_ms']['p95']:.0f}) "
            f"| {row['frame_cpu_ms']:.0f} | {row['script_ms']:.1f} | {row['heap_mb']:.0f} |"
        )
    return lines
