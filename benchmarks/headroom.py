"""Does the zoo leave anything to learn? R@1 of training-free descriptors on its validation split.

    python benchmarks/headroom.py runs/zoo

The best one must stand between 0.4 and 0.8, in a recipe and across: docs/descriptor-results.md.
Ends with 1 when it does not.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from machine import machine, save

from lorarium.evaluation.describe import read_zoo
from lorarium.evaluation.describe.protocol import best_training_free

LOW, HIGH = 0.4, 0.8


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("zoo", type=Path)
    parser.add_argument("--split", default="validation")
    asked = parser.parse_args()
    zoo = read_zoo(asked.zoo)
    report = best_training_free(zoo, asked.split)
    for name, splits in report["rows"].items():
        print(f"{name:16}", *(f"{split} {rate:.3f}" for split, rate in splits.items()))
    fits = {split: LOW <= best["r_at_1"] <= HIGH for split, best in report["best"].items()}
    for split, best in report["best"].items():
        word = "leaves headroom" if fits[split] else f"is outside {LOW} to {HIGH}"
        print(f"best {split}: {best['row']} {best['r_at_1']:.3f} {word}")
    about = {"zoo": zoo.name, "base_hash": zoo.base_hash, "split": asked.split}
    document = {"machine": machine(), **about, "wanted": [LOW, HIGH], "fits": fits, **report}
    print("written to", save("headroom", document))
    return 0 if all(fits.values()) and fits else 1


if __name__ == "__main__":
    sys.exit(main())
