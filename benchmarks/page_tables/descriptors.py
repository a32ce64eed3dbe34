"""Tables of descriptors."""

from __future__ import annotations

from typing import Any

from page_tables.form import table

COMPARED = ("output", "raw, cosine", "CLIP-like, samples", "DINO-like, samples",
            "judge's style, samples")  # fmt: skip


def describe(document: dict[str, Any]) -> list[str]:
    """Every descriptor on test artists."""
    found = document["kinds"]["style"]
    recipes = {"same": "one recipe", "cross": "across recipes", "random": "random recipes"}
    heads = [f"{head}, {name}" for name in recipes.values() for head in ("R@1", "mAP")]
    refusals = [f"strangers refused, {recipes[s]}" for s in ("same", "cross")]
    columns = ["row", *heads, "artist ARI", *refusals, "seconds"]
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for row in found["rows"]:
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
    for pair in found["paired"]:
        if pair["row"] == "probe" and pair["less"] in COMPARED:
            spans = (
                f"{pair[k]['mean']:+.2f} ({pair[k]['low']:+.2f} to {pair[k]['high']:+.2f})"
                for k in ("r_at_1", "map")
            )
            lines.append(f"| {pair['less']} | {recipes[pair['split']]} | {' | '.join(spans)} |")
    lines += ["", *questions(found["questions"])]
    who = f"{found['artists']} test artists in {found['groups']} genres"
    about = f"{found['adapters']} adapters of {who}"
    return [f"{about}:", "", *lines]


def questions(found: dict[str, Any]) -> list[str]:
    """Rows for words and for new pictures, beside adapters shuffled."""
    names = list(found["new pictures"])
    rows = [["asked by", *names, "shuffled"]]
    for what, name in (
        ("general", "a genre, mAP"),
        ("with attributes", "a genre and a colour, mAP"),
    ):
        asked = {n: found["words"].get(n, {}).get(what) for n in names}
        null = max(f["null"] for f in asked.values() if f)
        rows.append(
            [name, *(f"{f['map']:.2f}" if f else "" for f in asked.values()), f"{null:.2f}"]
        )
    new = found["new pictures"]
    null = max(f["null"] for f in new.values())
    shown = [f"{new[n]['r_at_1']:.2f}" for n in names]
    rows.append(["new pictures of an artist, R@1", *shown, f"{null:.2f}"])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return [lines[0], "|---" * len(rows[0]) + "|", *lines[1:]]


def headroom(document: dict[str, Any]) -> list[str]:
    """Artist R@1 of what needs no training, on validation."""
    rows = [
        (name, *(f"{row[k]:.2f}" if k in row else "" for k in ("same", "cross")))
        for name, row in document["rows"].items()
    ]
    return table(("row", "one recipe", "across recipes"), rows)


def calibrations(document: dict[str, Any]) -> list[str]:
    """The paper's raw factors under each calibration, on planted styles."""
    keys = ("r_at_1", "r_at_1_centroids", "length", "drift")
    rows = [
        (f"{r['strength']:.2f}", f"`{r['calibration']}`", *(f"{r[k]:.2f}" for k in keys))
        for r in document["rows"]
    ]
    head = (
        "strength of style",
        "calibration",
        "R@1",
        "R@1 of centroids, cosine",
        "length",
        "drift",
    )
    return table(head, rows)


def sketch_errors(document: dict[str, Any]) -> list[str]:
    """Root mean square errors of cosines of sketches, at the sizes that are stored."""
    shown = {"product": ("product", 4096), "output": ("output", 16384),
             "output folded to 4,096": ("output", 4096), "input": ("input", 4096)}  # fmt: skip
    worlds: dict[str, dict[tuple[str, int], dict[str, Any]]] = {}
    for row in document["errors"]["rows"]:
        worlds.setdefault(row["world"], {})[row["kernel"], row["size"]] = row
    rows = [
        (world, *(f"{by[key]['rms_error']:.3f}" for key in shown.values()),
         f"{max(by[shown[k]]['largest_error'] for k in ('product', 'output', 'input')):.3f}")
        for world, by in worlds.items()
    ]  # fmt: skip
    return table(("adapters", *shown, "largest of the three"), rows)


def sketch_content(document: dict[str, Any]) -> list[str]:
    """R@1 of weak content by the size of the sketch."""
    sizes = ("exact", "16384", "8192", "4096", "2048", "1024")
    rows = [
        (f"{r['strength']:.2f}", *(f"{r[size]:.2f}" for size in sizes))
        for r in document["content"]["rows"]
    ]
    head = (
        "strength of content",
        "exact kernel",
        "16,384 numbers",
        "8,192",
        "4,096",
        "2,048",
        "1,024",
    )
    return table(head, rows)


def sketch_speed(document: dict[str, Any]) -> list[str]:
    """What a sketch costs beside reading the file."""
    rows = [
        (r["file"], str(r["modules"]), f"{r['bytes'] / 1e6:.1f} MB",
         f"{r['load_and_cast']['cpu'] * 1e3:.1f} ms", f"{r['sketch']['cpu'] * 1e3:.1f} ms",
         f"{r['ratio']:.2f}", f"{r['read_and_sketch']['cpu'] * 1e3:.1f} ms")
        for r in document["speed"]["rows"]
    ]  # fmt: skip
    head = ("file, fp16", "modules", "size", "load and cast", "sketch", "ratio", "read and sketch")
    return table(head, rows)


def sketch_merges(document: dict[str, Any]) -> list[str]:
    """Parents of merges found by regression on sketches, at the smallest and the stored size."""
    cases: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for row in document["merges"]["rows"]:
        cases.setdefault((row["world"], row["cut"]), {})[row["size"]] = row
    rows = []
    for (world, cut), sizes in cases.items():
        small, large = sizes[512], sizes[4096]
        found = (f"{r['found']:.0%}, {r['false']}" for r in (small, large))
        off = (f"{r['rms_from_exact_regression']:.4f}" for r in (small, large))
        exact = f"{small['exact_regression_within_0.05']:.0%}"
        rows.append((world, cut, str(small["parents"]), *found, *off, exact))
    head = (
        "adapters", "merge", "parents", "found, false: 512 numbers", "4,096",
        "weights off exact regression: 512", "4,096", "exact within 0.05 of the truth",
    )  # fmt: skip
    return table(head, rows)


def sketch_copies(document: dict[str, Any]) -> list[str]:
    """The least cosine of copies and the largest of others, over all sets of adapters."""
    worlds = document["copies"]["rows"]
    rows = []
    for pair in worlds[0]:
        if pair != "world":
            other = pair.startswith(("another", "relative"))
            cosine = (max if other else min)(world[pair] for world in worlds)
            kind = "other" if other else "copy"
            rows.append((pair, kind, f"{cosine:.4f}" if other else f"{cosine:.5f}"))
    return table(("pair", "is a", "cosine"), rows)
