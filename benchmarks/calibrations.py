"""Four calibrations of the raw-factor descriptor: queries that were not in the fit fall short.

    python benchmarks/calibrations.py

Planted styles in the raw factors plus isotropic noise, 20,000 numbers an adapter, 25 styles x 8
adapters in the gallery and 4 queries of each: R@1 of the nearest neighbour, how long queries are
beside the gallery, and their drift (`lorarium.descriptors.drift`). With centroids of styles, too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from machine import machine, save

from lorarium.adapter import Adapter, LowRank
from lorarium.descriptors import centroids, descriptor, drift
from lorarium.descriptors.gram import unit
from lorarium.descriptors.raw import CALIBRATIONS

SEED = 0
STYLES, GALLERY, QUERIES = 25, 8, 4
WIDTH, RANK = 1250, 4
STRENGTHS = (0.07, 0.10, 0.12, 0.15)  # spread of a style in each number, beside noise of 1


def styled(style: int, draw: int, strength: float) -> Adapter:
    rng = np.random.default_rng([SEED, style, draw, 9])
    own = np.random.default_rng([SEED, style, 8])
    deltas = {}
    for path in ("a", "b"):
        up, down = (
            strength * own.standard_normal(shape) + rng.standard_normal(shape)
            for shape in ((WIDTH, RANK), (RANK, WIDTH))
        )
        deltas["denoiser", path] = LowRank(up.astype(np.float32), down.astype(np.float32))
    return Adapter(deltas, "micro-1")


def measure(strength: float) -> list[dict[str, Any]]:
    order = np.random.default_rng(SEED).permutation(STYLES * GALLERY)
    tags = order // GALLERY
    known = [styled(int(i) // GALLERY, int(i) % GALLERY, strength) for i in order]
    queries = [styled(s, 100 + d, strength) for s in range(STYLES) for d in range(QUERIES)]
    truth = np.repeat(np.arange(STYLES), QUERIES)
    rows = []
    for calibration in CALIBRATIONS:
        fitted = descriptor("raw", calibration=calibration).fit(known)
        points = np.stack([fitted.describe(a) for a in queries])
        gallery, labels = fitted.gallery, tags[fitted.members]
        names, means = centroids(gallery, labels.tolist())
        if fitted.metric == "cosine":
            near = points @ gallery.T
        else:
            near = -np.square(points[:, None] - gallery).sum(-1)
        rows.append(
            {
                "strength": strength,
                "calibration": calibration,
                "r_at_1": float((labels[near.argmax(1)] == truth).mean()),
                "r_at_1_centroids": float(
                    (np.array(names)[(unit(points) @ means.T).argmax(1)] == truth).mean()
                ),
                "length": _length(points) / _length(gallery),
                "drift": drift(gallery, labels.tolist(), points, truth.tolist()),
            }
        )
        print(*(f"{k} {v if isinstance(v, str) else round(v, 3)}" for k, v in rows[-1].items()))
    return rows


def _length(points: np.ndarray) -> float:
    return float(np.sqrt(np.square(points).sum(1).mean()))


def main() -> None:
    rows = [row for strength in STRENGTHS for row in measure(strength)]
    document = {"machine": machine(), "seed": SEED, "chance": 1 / STYLES, "rows": rows}
    print("written to", save("calibrations", document))


if __name__ == "__main__":
    main()
