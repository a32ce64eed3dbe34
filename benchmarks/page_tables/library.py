"""Tables of the library."""

from __future__ import annotations

from collections import Counter
from typing import Any

from page_tables.form import table


def speed(document: dict[str, Any]) -> list[str]:
    """How fast a library answers."""
    lines = [
        "| adapters | vectors | open, s | query p50, ms | p95, ms | recall@10 | numpy on all, ms |",
        "|---|---|---|---|---|---|---|",
    ]
    kinds = {"speed": "1024, from sketches of 16384", "million": "256, as they are"}
    for part, vectors in kinds.items():
        for n, row in document.get(part, {}).items():
            if not isinstance(row, dict) or "ours" not in row:
                continue
            ours, plain = row["ours"], row.get("stored vectors, numpy, all of float32")
            numpy_ms = f"{plain['p50 ms']:.1f}" if plain else ""
            lines.append(
                f"| {int(n):,} | {vectors} | {row['open seconds']:.2f} | {ours['p50 ms']:.1f} "
                f"| {ours['p95 ms']:.1f} | {ours['recall@10']:.2f} "
                f"| {numpy_ms} |"
            )
    if files := document.get("folder"):
        again = files["unchanged again"]
        lines += [
            "",
            f"{files['files']:,} small files: first indexed in {files['first']['seconds']:.0f} s, "
            f"looked at again in {again['seconds']:.1f} s.",
        ]
    return lines


def duplicates(result: dict[str, Any]) -> list[str]:
    """What was said of planted pairs, by what is true of them."""
    columns = [
        "identical bytes",
        "same weights",
        "cut down",
        "scaled or negated",
        "near",
        "nothing",
    ]
    lines = ["| truth, pairs of files | " + " | ".join(f"said {c}" for c in columns) + " |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    for name, words in (("kin", ""), ("others", ", other origins")):
        table: dict[str, Counter[str]] = {}
        for row in result["confusion"][name]:
            table.setdefault(row["truth"], Counter())[row["said"]] += row["pairs"]
        for truth in sorted(table, key=lambda t: (t not in columns, t)):
            cells = [str(table[truth][c] or "") for c in columns]
            lines.append(f"| {truth}{words} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "{} pairs of one origin and {:,} others: {} wrong. The keeper is the one that the rule "
        "names in {} of {} sets of copies.".format(
            result["pairs of one origin"],
            result["pairs of other origins"],
            len(result["wrong"]),
            result["keepers right"],
            result["sets of copies"],
        ),
    ]
    return lines


def lineage(found: dict[str, Any]) -> list[str]:
    """How often what is said of origins is right, and how often a parent called sure is none."""
    names = {"made of": "what was this made of?", "went into": "what did this go into?"}
    rows = []
    for key, name in names.items():
        one, verdicts = found[key], found[key]["verdicts"]
        fit = verdicts.get("honest", 0) + verdicts.get("missed", 0)
        rows.append((
            name, str(one["questions"]), str(verdicts["right"]), str(fit),
            str(one["questions"] - verdicts["right"] - fit),
            f"{one['wrong ones among them']} of {one['parents called sure']}",
        ))  # fmt: skip
    head = (
        "question",
        "asked",
        "right",
        "left open or missed",
        "wrong",
        "wrong among those called sure",
    )
    return table(head, rows)


def scale(document: dict[str, Any]) -> list[str]:
    """Processor seconds and peak memory of every step, by the number of files."""
    kinds = {"small": "two layers of micro-1", "real": "SD1's attentions, rank 8"}
    runs = [
        (kind, run)
        for name, kind in kinds.items()
        for run in sorted(document.get(name, {}).values(), key=lambda run: run["files"])
        if "index" in run
    ]
    steps = ("index", "index again", "first search", "searches", "duplicates", "lineage")
    head = ("files", "of", *steps[:3], "20 searches", "duplicates", "lineage of one file")
    rows = [
        (f"{run['files']:,}", kind, *(_step(run.get(step)) for step in steps)) for kind, run in runs
    ]
    return table(head, rows)


def _step(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    each = f" ({row['cpu ms a file']:.0f} ms a file)" if "cpu ms a file" in row else ""
    return f"{row['cpu seconds']:.1f} s{each}, {row['peak MiB']} MiB"
