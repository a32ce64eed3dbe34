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
