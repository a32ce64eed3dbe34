"""The table of blind votes."""

from __future__ import annotations

from typing import Any


def votes(document: dict[str, Any]) -> list[str]:
    """Rows by votes of all targets and of those held back, and by the judges on the latter."""
    parts, lines = document["parts"], list[str]()
    judges = [judge["judge"] for judge in parts["held"]["judges"]]
    for kind, figures in parts["all"]["kinds"].items():
        held = {row["source"]: row["mean"] for row in parts["held"]["kinds"][kind]["rows"]}
        verdicts = [
            {row["source"]: row["judge"] for row in judge["kinds"].get(kind, {}).get("rows", [])}
            for judge in parts["held"]["judges"]
        ]
        lines += ["", f"| {kind} | votes | held back | " + " | ".join(f"judge {j}" for j in judges)
                  + " |", "|---" * (3 + len(judges)) + "|"]  # fmt: skip
        for row in sorted(figures["rows"], key=lambda row: -row["mean"]):
            source = row["source"]
            cells = [source, f"{row['mean']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"]
            cells += [_two(column.get(source)) for column in (held, *verdicts)]
            lines.append("| " + " | ".join(cells) + " |")
        told = [
            f"judge {j}: Spearman {found['spearman']:.2f}, judge less votes "
            f"{found['mean difference']:+.2f}"
            for j, judge in zip(judges, parts["held"]["judges"], strict=True)
            if (found := judge["kinds"].get(kind))
        ]
        lines += ["", "On those held back: " + "; ".join(told) + "."]
    return [*lines, ""]


def _two(share: float | None) -> str:
    return "" if share is None else f"{share:.2f}"


def merge_votes(document: dict[str, Any]) -> list[str]:
    """Rows of pairs and of crowds by votes and by judges; who is seen, and in whose hand."""
    judged = {
        judge["judge"]: {row["source"]: row["judge"] for row in judge["kinds"]["merge"]["rows"]}
        for judge in document["votes"]["judges"]
    }
    head = ["row", "votes: both", "the individual", "the artist", *(f"judge {j}" for j in judged)]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    rows = document["votes"]["kinds"]["merge"]["rows"]
    for row in sorted(rows, key=lambda row: -row["mean"]):
        cells = [row["source"], f"{row['mean']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"]
        cells += [_two(row["subject"]), _two(row["style"])]
        cells += [_two(by.get(row["source"])) for by in judged.values()]
        lines.append("| " + " | ".join(cells) + " |")
    return lines
