"""Tables of formats and of the algebra."""

from __future__ import annotations

from collections import Counter
from typing import Any

from page_tables.form import table


def families(document: dict[str, Any]) -> list[str]:
    """How often the base of an adapter is named, over all classes of diffusers."""
    counts: dict[str, Counter[str]] = {
        "published": Counter(),
        "default": Counter(),
        "tiny": Counter(),
    }
    for row in document["rows"]:
        counts.get(row["size"], counts["published"])[row["verdict"]] += 1
    names = ("right", "listed", "unknown", "wrong")
    rows = [
        (size, str(verdicts.total()), *(str(verdicts[name]) for name in names))
        for size, verdicts in counts.items()
    ]
    return table(("sizes", "adapters", *names), rows)


def recompress(document: dict[str, Any]) -> list[str]:
    """Processor time of one module's SVD, ours and others'."""
    rows = []
    for row in document["modules"]:
        family, path = row["module"].split(" ", 1)
        others = (f"{row[way]['cpu']:.2f} s" for way in ("numpy", "kohya_style", "peft_svd"))
        name = ".".join(path.split(".")[-2:])
        rows.append((
            f"{family} `{name}`", " x ".join(map(str, row["shape"])),
            f"{row['ours']['cpu'] * 1e3:.1f} ms", *others, f"{row['singular_value_error']:.0e}",
        ))  # fmt: skip
    return table(("module", "shape", "ours", "numpy SVD", "kohya way", "PEFT `svd`", "σ"), rows)


def recompress_file(document: dict[str, Any]) -> list[str]:
    """What a whole file of SDXL costs."""
    names = {
        "spectra": "`spectra`", "stream": "`canonical_stream`, U, S and V of each",
        "adapter": "`canonical_adapter`, all of them kept", "resize": "`recompress(rank=16)`",
    }  # fmt: skip
    rows = []
    for key, name in names.items():
        task = document["sdxl"][key]
        memory = f"{task['peak_bytes'] / 1e6:.0f} MB"
        over = f"{task['peak_over_file']:.2f}"
        rows.append((name, f"{task['wall']:.1f}", f"{task['cpu']:.1f}", memory, over))
    head = ("task", "wall seconds", "processor seconds", "peak memory", "over the file")
    return table(head, rows)
