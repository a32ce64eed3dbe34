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


SMALL, REAL = "two layers of micro-1", "SD1's attentions, rank 8"


def scale(document: dict[str, Any]) -> list[str]:
    """Processor seconds and memory of every step, by the number of files."""
    runs = [(SMALL, run) for run in _by_size(document, "small")]
    runs += [(REAL, run) for run in _by_size(document, "real")]
    head = (
        "files",
        "of",
        "index, ms a file",
        "index again, s",
        "first search, s",
        "a search, ms",
        "duplicates, s",
        "lineage of one, s",
    )
    rows = [
        (
            f"{run['files']:,}",
            kind,
            f"{run['index']['cpu ms a file']:.1f}",
            f"{run['index again']['cpu seconds']:.1f}",
            f"{run['first search']['cpu seconds']:.1f}",
            f"{1000 * run['searches']['cpu seconds'] / run['searches']['searches']:.0f}",
            f"{run['duplicates']['cpu seconds']:.1f}",
            f"{run['lineage']['cpu seconds']:.0f}",
        )
        for kind, run in runs
    ]
    steps = ("index", "index again", "searches", "duplicates", "lineage")
    memory = [
        (f"{run['files']:,}", kind, *(str(run[step]["peak MiB"]) for step in steps))
        for kind, run in runs
    ]
    peaks = ("files", "of", *(f"{step}, MiB" for step in steps))
    return [*table(head, rows), "", "Peak memory of each step, a process of its own:", ""] + table(
        peaks, memory
    )


def _by_size(document: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The runs that came to their end, the smallest first."""
    runs = (run for run in document.get(kind, {}).values() if "lineage" in run)
    return sorted(runs, key=lambda run: run["files"])
