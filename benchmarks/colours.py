"""How often two sets of an artist's pictures agree on the artist's colour: can one ask for it?

    python benchmarks/colours.py

Test artists of the zoo. Texts such as "a red ink" are scored against such words
(`lorarium.evaluation.describe.words`).
"""

from __future__ import annotations

import numpy as np
from machine import machine, save

from lorarium.evaluation.describe.words import LOOKED_AT, hues_of
from lorarium.recipes.zoo import manifest
from lorarium.world.splits import SEEN_GENRES

SETS = (12, LOOKED_AT)


def main() -> None:
    artists = list(
        dict.fromkeys(
            e.of
            for e in manifest().entries
            if (e.kind, e.split) == ("style", "test") and e.of[0] in SEEN_GENRES
        )
    )
    agree = {}
    for count in SETS:
        hues = [
            np.array([hues_of(*of, "test", count, first).argmax() for of in artists])
            for first in (0, count)
        ]
        agree[str(count)] = round(float((hues[0] == hues[1]).mean()), 3)
        print(f"{count} pictures and {count} others say one colour of {agree[str(count)]:.0%}")
    report = {"command": "benchmarks/colours.py", "artists": len(artists), "agree": agree}
    print(save("colours", report | {"machine": machine()}))


if __name__ == "__main__":
    main()
