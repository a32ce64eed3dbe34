"""Tables of LoRAs made from pictures."""

from __future__ import annotations

from typing import Any

from page_tables.form import interval, optional, table

PARTS = (
    ("Styles, seen", "style", "seen"),
    ("Styles, held-out genres", "style", "held-out genres"),
    ("Subjects, seen", "subject", "seen"),
)


def synth(document: dict[str, Any]) -> list[str]:
    """Every way of making a LoRA, by what judge B says of what it draws."""
    lines: list[str] = []
    head = ("row", "score", "passes", "apart", "share of the tuned gain", "seconds")
    for title, kind, group in PARTS:
        rows = [
            (r["name"], f"{r['score']:.3f}", f"{r['passes']:.3f}", optional(r.get("apart"), ".3f"),
             interval(r["gain"]), optional(r.get("seconds")))
            for r in document["kinds"][kind]["groups"][group]["rows"]
        ]  # fmt: skip
        lines += [f"**{title}**", "", *table(head, rows), ""]
    return lines[:-1]


def synth_audit(document: dict[str, Any]) -> list[str]:
    """Is what is drawn nearer to what was learned from than to strangers?"""
    style, subject = document["style"], document["subject"]
    parts = (
        (f"{style['targets']} artists, pictures, judge B", style["pictures"]["rows"]),
        (f"{subject['targets']} individuals, pictures, judge B", subject["pictures"]["rows"]),
        (
            f"{style['weights']['targets']} artists, output side of the weights",
            style["weights"]["rows"],
        ),
    )
    rows = [
        (title if way == "trained" else "", way, f"{found[way]['nearer to one of training']:.3f}",
         f"{found[way]['nearer to a stranger']:.3f}")
        for title, found in parts for way in ("trained", "generated")
    ]  # fmt: skip
    return table(("", "adapters", "nearer to training", "to a stranger"), rows)


def synth_real(document: dict[str, Any]) -> list[str]:
    """Denoising losses on pictures from outside of the drawn world."""
    parts = {
        f"icons, {len(document['icons']['renderings'])} renderings": document["icons"]["mean"],
        f"photographs, {len(document['photos']['subjects'])} subjects": document["photos"]["mean"],
    }
    refined = f"after {document['refine']} steps of refining"
    rows = [
        (name, *(f"{mean[k]:.3f}" for k in ("base", "generated", "refined")))
        for name, mean in parts.items()
    ]
    return table(("loss of held-out pictures", "base", "generated", refined), rows)
