"""Every descriptor on the test artists and individuals of a zoo: all of docs/evaluate.md.

    python benchmarks/describe.py runs/zoo
    python benchmarks/describe.py runs/zoo --samples 0
    python benchmarks/describe.py runs/zoo --kind style   # what is known of the other kind stays

Sampled pictures are kept in `runs/describe/samples`; run again, it goes on with them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from machine import RESULTS, machine, save

from lorarium.bases.base import open_base
from lorarium.evaluation.describe import Options, evaluate_describe
from lorarium.evaluation.describe.page import page, summary
from lorarium.evaluation.describe.protocol import KINDS
from lorarium.formats.target import write_atomically

COMPARED = ("output", "raw, cosine", "CLIP-like, samples", "DINO-like, samples",
            "judge's style, samples")  # fmt: skip


def write_docs(kinds: dict[str, Any]) -> None:
    """Replace the figures of docs/evaluate.md: every row, artists only."""
    report = kinds["style"]
    recipes = {"same": "one recipe", "cross": "across recipes", "random": "random recipes"}
    heads = [f"{head}, {name}" for name in recipes.values() for head in ("R@1", "mAP")]
    refusals = [f"strangers refused, {recipes[s]}" for s in ("same", "cross")]
    columns = ["row", *heads, "artist ARI", *refusals, "seconds"]
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for row in report["rows"]:
        cells = [row["name"]]
        for split in recipes:
            figures = row["splits"].get(split)
            cells += [f"{figures[k]:.2f}" for k in ("r_at_1", "map")] if figures else ["", ""]
        ari = row["clusters"].get("same", {}).get("artist", {}).get("ari k-means")
        refused = [row["rejection"]["standing"].get(s) for s in ("same", "cross")]
        cells += ["" if x is None else f"{x:.2f}" for x in (ari, *refused)]
        cells.append(f"{row['seconds']:.3f}" if row["seconds"] else "")
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "| the probe less | split | R@1 | mAP |", "|---|---|---|---|"]
    for pair in report["paired"]:
        if pair["row"] == "probe" and pair["less"] in COMPARED:
            spans = (
                f"{pair[k]['mean']:+.2f} ({pair[k]['low']:+.2f} to {pair[k]['high']:+.2f})"
                for k in ("r_at_1", "map")
            )
            lines.append(f"| {pair['less']} | {recipes[pair['split']]} | {' | '.join(spans)} |")
    lines += ["", *questions(report["questions"])]
    members = f"{report['artists']} test artists in {report['groups']} genres"
    about = f"{report['adapters']} adapters of {members}"
    path = Path(__file__).parents[1] / "docs" / "evaluate.md"
    head, _, rest = path.read_text().partition("<!-- figures -->")
    tail = rest.partition("<!-- end -->")[2]
    text = "\n".join([f"{head}<!-- figures -->", f"{about}:", "", *lines, f"<!-- end -->{tail}"])
    path.write_text(text)


def questions(answers: dict[str, Any]) -> list[str]:
    """Rows for words and for new pictures, beside adapters shuffled."""
    names = list(answers["new pictures"])
    rows = [["asked by", *names, "shuffled"]]
    for what, name in (
        ("general", "a genre, mAP"),
        ("with attributes", "a genre and a colour, mAP"),
    ):
        asked = {n: answers["words"].get(n, {}).get(what) for n in names}
        null = max(f["null"] for f in asked.values() if f)
        rows.append(
            [name, *(f"{f['map']:.2f}" if f else "" for f in asked.values()), f"{null:.2f}"]
        )
    new = answers["new pictures"]
    null = max(f["null"] for f in new.values())
    rates = [f"{new[n]['r_at_1']:.2f}" for n in names]
    rows.append(["new pictures of an artist, R@1", *rates, f"{null:.2f}"])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return [lines[0], "|---" * len(rows[0]) + "|", *lines[1:]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("zoo", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--judge", default="b")
    parser.add_argument("--samples", type=int, default=6)
    parser.add_argument("--base")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cache", type=Path, default=Path("runs/describe/samples"))
    parser.add_argument("--page", type=Path, default=Path("runs/describe/describe.html"))
    asked = parser.parse_args()
    document = evaluate_describe(
        asked.zoo,
        asked.cache,
        Options(
            asked.split, asked.judge, asked.samples, kinds=(asked.kind,) if asked.kind else KINDS
        ),
        base=open_base(asked.base, asked.device) if asked.samples else None,
        say=lambda words: print(words, flush=True),
    )
    print(summary(document))
    asked.page.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(asked.page, [page(document).encode()], force=True)
    kinds = {
        kind: {key: value for key, value in report.items() if key != "map"}
        for kind, report in document["kinds"].items()
    }
    command = f"benchmarks/describe.py ZOO --samples {asked.samples}"
    command += f" --kind {asked.kind}" if asked.kind else ""
    for report in kinds.values():
        report |= {"machine": machine(), "command": command}
    before = RESULTS / "describe.json"
    if asked.kind and before.exists():
        kinds = json.loads(before.read_text())["kinds"] | kinds
    print("written to", save("describe", {**document, "machine": machine(), "kinds": kinds}))
    print("page", asked.page)
    if asked.split == "test":
        write_docs(kinds)


if __name__ == "__main__":
    main()
