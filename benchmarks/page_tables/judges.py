"""Tables of judges: the world's own, and eyes of one's own."""

from __future__ import annotations

from typing import Any

from page_tables.form import table


def world_checks(document: dict[str, Any]) -> list[str]:
    """Judges, baselines and shortcuts, and what was to hold."""
    lines = ["| | error | R@1 |", "|---|---|---|"]
    for name, judge in (document["judges"] | document["baselines"]).items():
        for what in ("style", "subject", "subject in photo"):
            if what not in judge:
                continue
            f = judge[what]
            lines.append(f"| {name}, {what} | {f['error']:.3f} | {f['found']:.3f} |")
    for who, kinds in document["histograms"].items():
        for kind, f in kinds.items():
            lines.append(
                f"| colour histogram ({kind}), {who} | {f['error']:.3f} | {f['found']:.3f} |"
            )
    for what, f in document["identity from one cue"].items():
        lines.append(f"| individual from {what} alone | {f['error']:.3f} | {f['found']:.3f} |")
    columns = (
        "true renders that pass", "style", "others of the genre", "subject",
        "others of the class", "genre named", "class named",
    )  # fmt: skip
    lines += ["", "| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for name, judge in document["judges"].items():
        row = [*judge["true_renders"].values(), judge["genre_named"], judge["class_named"]]
        lines.append(f"| {name} | " + " | ".join(f"{x:.3f}" for x in row) + " |")
    lines += ["", "| check | found | goal | |", "|---|---|---|---|"]
    for name, check in document["checks"].items():
        verdict = "passes" if check["passed"] else "**fails**"
        lines.append(f"| {name} | {check['found']:.3f} | {check['goal']} | {verdict} |")
    return lines


def files(document: dict[str, Any]) -> list[str]:
    """Grades of checkpoints by every target and judge, and whether their order is right."""
    steps = document["steps"]
    lines = ["| | judge | " + " | ".join(f"{n} steps" for n in steps) + " | base | strangers | |"]
    lines.append("|---|---|" + "---|" * (len(steps) + 2) + "---|")
    for target in document["targets"]:
        for judge in target["judges"]:
            grades = {row["name"]: (row["grade"], row["passes"]) for row in judge["rows"]}
            names = [*(f"steps-{n}" for n in steps), "base alone"]
            shown = [
                f"{grade:+.3f}" + ("" if passes is None else f" ({passes:.2f})")
                for grade, passes in (grades[name] for name in names)
            ]
            strangers = judge["controls"][target["aspect"]]["strangers"]
            shown.append("–" if strangers is None else f"{strangers:.2f}")
            told = [p for p in judge["pairs"] if "base alone" not in (p["better"], p["worse"])]
            apart = sum(p["told"] for p in told)
            order = "right order" if judge["right_order"] else "**wrong order**"
            head = f"| {target['aspect']}: {' '.join(map(str, target['of']))} | {judge['judge']} | "
            lines.append(head + " | ".join(shown) + f" | {order}, {apart} of {len(told)} told |")
    return lines


def reporters(document: dict[str, Any]) -> list[str]:
    """True pictures and strangers that each judge accepts, together and genre by genre."""
    judges = document["judges"]
    lines = ["| | " + " | ".join(f"judge {name}" for name in judges) + " |"]
    lines.append("|---" * (1 + len(judges)) + "|")
    for aspect in ("subject", "style"):
        for what in ("true", "strangers"):
            cells = [f"{judge[aspect][what]:.3f}" for judge in judges.values()]
            lines.append(f"| {aspect}, {what} | " + " | ".join(cells) + " |")
    names = list(judges)
    by = {name: judges[name]["subject"]["true by genre"] for name in names}
    for genre in sorted(by[names[-1]], key=lambda g: -by[names[-1]][g]):
        cells = [f"{by[name][genre]:.2f}" for name in names]
        lines.append(f"| subject in {genre}, true | " + " | ".join(cells) + " |")
    return lines


def attack(document: dict[str, Any]) -> list[str]:
    """Rates of pictures that were optimised against a trainer, by every judge and by votes."""
    lines: list[str] = []
    for seed, audit in document["audits"].items():
        judges = [audit["trainer"], *audit["reporters"]]
        title = f"{audit['split']}, seed {seed}"
        lines += ["", *_beside_votes(title, audit["rows"], judges, audit.get("votes", {}))]
    return lines[1:]


def lora_votes(document: dict[str, Any]) -> list[str]:
    """What LoRAs of the usual recipe draw, by votes and by judges."""
    return _beside_votes("", document["rows"], document["judges"], document["votes"])


def _beside_votes(
    title: str, rows: dict[str, Any], judges: list[str], votes: dict[str, Any]
) -> list[str]:
    voted = {
        f"{kind}: {row['source']}": row["mean"]
        for kind, figures in votes.get("kinds", {}).items()
        for row in figures["rows"]
    }
    body = [
        (row, f"{voted[row]:.2f}" if row in voted else "", *(f"{rates[j]:.2f}" for j in judges))
        for row, rates in rows.items()
    ]
    return table((title, "votes", *(f"judge {name}" for name in judges)), body)


def genre_votes(document: dict[str, Any]) -> list[str]:
    """Individuals in each genre: true ones and strangers that voters and judges accept."""
    who = ["votes", *(f"judge {name}" for name in document["judges"])]
    lines = ["| | " + " | ".join(who) + " |", "|---" * (1 + len(who)) + "|"]
    rates, names = document["rates"], ["votes", *document["judges"]]
    for what in ("true", "strangers"):
        some = [(s, row) for s, row in rates.items() if s.startswith(what)]
        counts = [document["cells"][source] for source, _ in some]
        means = [
            sum(row[name] * n for (_, row), n in zip(some, counts, strict=True)) / sum(counts)
            for name in names
        ]
        lines.append(f"| {what}, all | " + " | ".join(f"{x:.2f}" for x in means) + " |")
    for source in sorted(s for s in rates if s.startswith("true")):
        cells = [f"{rates[source][name]:.2f}" for name in names]
        lines.append(f"| {source} | " + " | ".join(cells) + " |")
    return lines


def limits(document: dict[str, Any]) -> list[str]:
    """Kappa with the voters' majority, and how much more is accepted, by limits."""
    lines = ["| the reporter | artists | individuals | merges |", "|---|---|---|---|"]
    for name, kinds in document["rows"].items():
        cells = [
            f"{kinds[kind]['kappa with the majority']:.2f} ({kinds[kind]['mean difference']:+.2f})"
            for kind in ("style", "subject", "merge")
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines
