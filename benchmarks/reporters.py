"""What judges say of true pictures and of strangers, genre by genre: docs/judges.md

    python benchmarks/reporters.py [--judge reporter=FILE] [--only reporter]

Individuals and artists of the test split; thresholds are the judges' own, from validation.
"""

from __future__ import annotations

import argparse
import json

import torch
from machine import RESULTS, machine, save
from pages import fill_pages

from lorarium.evaluation.ceilings import ceilings
from lorarium.evaluation.judges import load_judge

NAMES = ("a", "b", "reporter")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--judge", action="append", metavar="NAME=FILE", help="another file")
    parser.add_argument("--name", default="reporters", help="of the result")
    parser.add_argument("--only", choices=NAMES, help="ask this judge; the result keeps the others")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    others = dict(pair.split("=", 1) for pair in asked.judge or ())
    kept = RESULTS / f"{asked.name}.json"
    judges = json.loads(kept.read_text())["judges"] if asked.only and kept.exists() else {}
    for name in [asked.only] if asked.only else NAMES:
        judges[name] = ceilings(load_judge(others.get(name, name)))
        print(name, judges[name], flush=True)
    print("written to", save(asked.name, {"machine": machine(), "judges": judges}))
    fill_pages()


if __name__ == "__main__":
    main()
