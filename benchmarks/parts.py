"""What a sketch of a tenth of the bytes finds, beside the sketch of all of them.

    python benchmarks/parts.py

The adapters that come along (trained on micro-1) are asked one after the other by a sketch of part
of their file, in a library of whole sketches: is the file itself found first among all, and of the
others first one of the same artist or individual? `output` and `product` are the sketch's spaces;
"all parts" is a library of sketches of the same parts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from machine import machine, save

from lorarium.descriptors import describe
from lorarium.descriptors.sketch import Sketch, sketch
from lorarium.formats.sampling import read_share
from lorarium.library import sample

SHARES = (0.05, 0.1, 0.2, 0.5, 1.0)


def unit(made: Sketch, space: str) -> np.ndarray:
    vector = np.asarray(getattr(made, space), np.float64)
    return vector / (np.linalg.norm(vector) or 1)


def main() -> None:
    adapters = sample().adapters
    full_sketches = [describe(one.path) for one in adapters]
    labels = [(one.kind, one.of) for one in adapters]
    asked = [i for i, label in enumerate(labels) if labels.count(label) > 1]
    rows = []
    for share in SHARES:
        parts, reads, modules = [], [], []
        for one in adapters:
            adapter, read = read_share(one.path, share)
            parts.append(sketch(adapter))
            reads.append(read.share)
            modules.append(len(adapter))
        row: dict[str, Any] = {
            "share": share,
            "share read": round(float(np.mean(reads)), 4),
            "modules": float(np.median(modules)),
        }
        for space in ("output", "product"):
            queries = np.stack([unit(made, space) for made in parts])
            held = np.stack([unit(made, space) for made in full_sketches])
            itself = (queries @ held.T).argmax(1) == range(len(queries))
            row[f"{space}: itself first"] = round(float(itself.mean()), 4)
            for name, others in (("", held), (", all parts", queries)):
                scores = queries @ others.T
                np.fill_diagonal(scores, -np.inf)
                right = [labels[int(scores[i].argmax())] == labels[i] for i in asked]
                row[f"{space}: one of the same first{name}"] = round(float(np.mean(right)), 4)
        rows.append(row)
        print(row, flush=True)
    document = {"adapters": len(adapters), "asked for the same": len(asked), "rows": rows}
    print(save("parts", {**document, "machine": machine()}))


if __name__ == "__main__":
    main()
