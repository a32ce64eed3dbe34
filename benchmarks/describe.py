"""Every descriptor on the test artists and individuals of a zoo: all of docs/evaluate.md.

    python benchmarks/describe.py runs/zoo
    python benchmarks/describe.py runs/zoo --samples 0

Sampled pictures are kept in `runs/describe/samples`; run again, it goes on with them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from machine import machine, save

from lorarium.evaluate.describe import Options, evaluate_describe
from lorarium.evaluate.describe.page import page, summary
from lorarium.formats.container import write_atomically
from lorarium.models.base import open_base


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("zoo", type=Path)
    parser.add_argument("--split", default="test")
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
        Options(asked.split, asked.judge, asked.samples),
        base=open_base(asked.base, asked.device) if asked.samples else None,
        say=lambda words: print(words, flush=True),
    )
    print(summary(document))
    asked.page.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(asked.page, [page(document).encode()])
    kept = {
        kind: {key: value for key, value in found.items() if key != "map"}
        for kind, found in document["kinds"].items()
    }
    print("written to", save("describe", {**document, "machine": machine(), "kinds": kept}))
    print("page", asked.page)


if __name__ == "__main__":
    main()
