"""Tables of the base, of training and of minting."""

from __future__ import annotations

from typing import Any

from page_tables.form import table


def base(figures: dict[str, Any]) -> list[str]:
    """What micro-1 draws when it is asked, and what LoRAs of strangers teach it."""
    said, true = figures["prompts"]["samples"], figures["prompts"]["true renders"]
    lines = ["| judge B sees | samples | true renders |", "|---|---|---|"]
    for what in ("class", "genre"):
        lines.append(f"| the {what} of the prompt | {said[what]:.2f} | {true[what]:.2f} |")
    columns = (
        "passes as its",
        "LoRA",
        "base with the word alone",
        "true renders",
        "above the base",
    )
    lines += ["", "| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for kind, who in (("style", "artist"), ("subject", "individual")):
        found = figures[f"{kind} LoRAs"]
        rates = " | ".join(f"{rate:.2f}" for rate in found["rates"].values())
        above = found["above the floor"]
        span = f"{above['mean']:.2f} ({above['low']:.2f} to {above['high']:.2f})"
        lines.append(f"| {who} ({found['adapters']} of them) | {rates} | {span} |")
    return lines


NAMES = {"unet": "UNet", "micro2": "micro-2 so far"}  # of checkpoints' folders


def bases(figures: dict[str, Any]) -> list[str]:
    """Bases side by side."""
    votes, speed = figures["votes"], figures["training"]["cpu ms a picture"]
    questions = [name for name in votes if name != "by"]
    head = ("", "pictures learned from", "a LoRA's step, ms a picture", "judge A sees the class",
            "the genre", f"strokes (true ones {figures['true']['strokes']:.2f})",
            *(f"votes: {question}" for question in questions))  # fmt: skip
    rows = []
    for name, found in figures["bases"].items():
        rates = [f"{found[what]:.2f}" for what in ("class", "genre", "strokes")]
        chosen = [
            f"{sum(v[name] for v in votes[q])} of {sum(sum(v.values()) for v in votes[q])}"
            for q in questions
        ]
        kind = NAMES.get(name.split("/")[1], name) if name.endswith(".pt") else name
        rows.append((kind, f"{found['pictures']:,}", f"{speed[name]:.1f}", *rates, *chosen))
    return table(head, rows)


def lora_recipes(figures: dict[str, Any]) -> list[str]:
    """Optimizers and rates of LoRAs side by side."""
    kinds = {"style": ("artist", "class"), "subject": ("individual", "genre")}
    head = ("validation", "optimizer", "rate", "steps", "theirs", "shows the other word", "both",
            "seconds each")  # fmt: skip
    rows = []
    for aspect, (who, other) in kinds.items():
        if (part := figures.get(aspect)) is None:
            continue
        true = sum(part["true renders"]) / len(part["of"])
        label = f"{len(part['of'])} {who}s, the other word a {other}"
        rows.append((label, "true renders", "", "", f"{true:.2f}", "", "", ""))
        for r in part["rows"]:
            shares = [f"{r[name]:.2f}" for name in ("theirs", "the other word", "both")]
            rows.append((who, r["optimizer"], f"{r['rate']:g}", f"{r['steps']}", *shares,
                         f"{r['seconds']:.0f}"))  # fmt: skip
    return table(head, rows)


def real_pictures(figures: dict[str, Any]) -> list[str]:
    """Losses on pictures from outside of the drawn world."""
    icons, photos = figures["icons"], figures["photos"]
    columns = ("loss of held-out pictures", "base", "own LoRA", "a LoRA of another rendering")
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    mean = [f"{value:.3f}" for value in icons["mean"].values()]
    lines.append(f"| icons, {len(icons['renderings'])} renderings | {' | '.join(mean)} |")
    mean = [f"{value:.3f}" for value in photos["mean"].values()]
    lines.append(f"| photographs, {len(photos['subjects'])} subjects | {' | '.join(mean)} | |")
    return lines


def mint(figures: dict[str, Any]) -> list[str]:
    """Adapters a minute, each way given the whole machine."""
    names = {
        "mint-8 x 2 processes": "`mint`, two processes", "mint-8": "`mint`, one process",
        "peft": "PEFT", "single": "our trainer, one by one",
    }  # fmt: skip
    lines = ["| | adapters a minute | against PEFT |", "|---|---|---|"]
    for key, name in names.items():
        row = figures["seconds_each"][key]
        pace = f"{row['adapters_per_minute']:.1f} | {row['against_peft']:.2f}"
        lines.append(f"| {name} | {pace} |")
    return lines


FULL_SIZE = {
    "open": "open, float32",
    "open, bfloat16": "open, bfloat16",
    "open, offload": "open, float32, `--offload`",
    "train, offload": "a training step, `--offload`",
    "train, offload, checkpointing": "a training step, `--offload --checkpointing`",
    "ssr": "merge by `ssr`, `--offload`",
    "ziplora": "merge by `ziplora`, 2 steps, `--offload --checkpointing`",
    "lora-rar": "LoRA.rar's trainer, 2 steps, the same",
}


def full_size(figures: dict[str, Any]) -> list[str]:
    """Memory and seconds of pipelines of the true size; a dash where nothing was measured."""
    names = {"sd1": "Stable Diffusion 1.5", "sdxl": "Stable Diffusion XL"}
    kinds = [kind for kind in names if kind in figures]
    head = ["float32 unless said"]
    for kind in kinds:
        count = sum(figures[kind]["parameters"].values()) / 1e9
        head += [f"{names[kind]} ({count:.1f} G parameters): peak GiB (own)", "CPU seconds"]
    rows = []
    for name, words in FULL_SIZE.items():
        keys = {k for kind in kinds for k in figures[kind]["steps"]}
        keys = {k for k in keys if k.rpartition(", ")[0] == name}
        for key in sorted(keys, key=lambda k: int(k.rpartition(", ")[2])):
            size = "" if name.startswith("open") else f", {key.rpartition(', ')[2]} px"
            cells = [c for kind in kinds for c in _full_size_cells(figures[kind]["steps"].get(key))]
            rows.append([words + size, *cells])
    return table(head, rows)


def full_size_needs(figures: dict[str, Any]) -> list[str]:
    """GiB that the weights of each family take at least."""
    columns = list(next(iter(figures["needs"].values())))[1:]
    ways = [name.replace("offload", "`--offload`") for name in columns]
    head = ("weights, GiB", "parameters", *ways)
    rows = []
    for kind, row in figures["needs"].items():
        count = sum(row["parameters"].values()) / 1e9
        rows.append((kind, f"{count:.1f} G", *(f"{row[name]:.1f}" for name in columns)))
    return table(head, rows)


def _full_size_cells(step: dict[str, Any] | None) -> tuple[str, str]:
    if step is None:
        return "-", "-"
    if "left out" in step:
        return f"not run here: {step['weights MiB'] / 1024:.1f} of weights alone", "-"
    peak, own = (step[name] / 1024 for name in ("peak MiB", "peak MiB, not mapped"))
    return f"{peak:.1f} ({own:.1f})", f"{step['cpu seconds']:.0f}"


def adoption_plans(figures: dict[str, Any]) -> list[str]:
    """What adoptions of families would take, at their full size and smaller."""
    plans = figures["plans"]
    limit = float(plans["on"].split("GB")[0])
    rows = []
    for family, row in plans["families"].items():
        fits = min(row["memory"].values()) <= limit
        name = f"{family.split(' at ')[0]}, {row['size']} px"
        needs = f"{row['memory']['all']:g} GB, {row['memory']['offload']:g} GB"
        took = (f"{row['share']:g}", str(row["adapters"]), f"{row['hours']:.0f}")
        rows.append((
            name, *(took if fits else ("does not fit", "-", "-")),
            f"{row['a training step, s']:g}", needs,
        ))  # fmt: skip
    head = ("family", "share of a whole effort", "adapters", "hours", "a training step, s",
            "memory in bfloat16, with `--offload`")  # fmt: skip
    return table(head, rows)
