"""Every merge method on the test subjects and styles of a zoo: the tables of docs/merge-results.md.

    python benchmarks/merge.py runs/merge/zoo
    python benchmarks/merge.py runs/merge/zoo --quick
    python benchmarks/merge.py runs/zoo --subjects S2 --styles R2 --screening --name merge-others

What is drawn is kept in `runs/merge/drawn`; run again, it goes on with that.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

from machine import machine, save

from lorarium.bases.base import open_base
from lorarium.evaluation.merge import Options, evaluate_merge
from lorarium.evaluation.merge.page import page, summary
from lorarium.formats.target import write_atomically


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("zoo", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--judge", default="b")
    parser.add_argument("--subjects", help="recipe, the usual one without")
    parser.add_argument("--styles", help="recipe, the usual one without")
    parser.add_argument("--only", action="append", default=[], help="names of rows")
    parser.add_argument("--screening", action="store_true", help="the first table only")
    parser.add_argument("--name", default="merge", help="of the results")
    parser.add_argument("--quick", action="store_true", help="nothing is kept among the results")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--base")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--folder", type=Path, default=Path("runs/merge"))
    asked = parser.parse_args()
    options = Options(
        asked.split, asked.judge, recipes=(asked.subjects, asked.styles), only=tuple(asked.only)
    )
    if asked.screening:
        options = replace(options, side=0, near=0, curves=False, crowd=False)
    began, last = time.time(), [0.0]

    def show(done: int, total: int, words: str) -> None:
        if time.time() - last[0] > 30 or done == total:
            last[0] = time.time()
            print(f"{done}/{total} {words}", flush=True)

    asked.folder.mkdir(parents=True, exist_ok=True)
    document = evaluate_merge(
        asked.zoo,
        asked.folder / "drawn",
        open_base(asked.base, asked.device),
        options.quick() if asked.quick else options,
        workers=asked.workers,
        sheet=asked.folder / "merge.png",
        progress=show,
        say=lambda words: print(words, flush=True),
    )
    print(summary(document))
    write_atomically(asked.folder / "merge.html", [page(document).encode()], force=True)
    print("page", asked.folder / "merge.html")
    if not asked.quick:
        about = {"machine": machine(), "seconds": round(time.time() - began)}
        print("written to", save(asked.name, {**document, **about}))


if __name__ == "__main__":
    main()
