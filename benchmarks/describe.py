"""Every descriptor on the test artists and individuals of a zoo: all of docs/descriptor-results.md.

    python benchmarks/describe.py runs/zoo
    python benchmarks/describe.py runs/zoo --samples 0
    python benchmarks/describe.py runs/zoo --kind style   # what is known of the other kind stays

Sampled pictures are kept in `runs/describe/samples`; run again, it goes on with them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from machine import RESULTS, machine, save
from pages import fill_pages

from lorarium.bases.base import open_base
from lorarium.evaluation.describe import Options, evaluate_describe
from lorarium.evaluation.describe.page import page, summary
from lorarium.evaluation.describe.protocol import KINDS
from lorarium.formats.target import write_atomically


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
    fill_pages()


if __name__ == "__main__":
    main()
