"""Tables of merges: who shows what, at what cost, and what was foretold of it."""

from __future__ import annotations

from typing import Any

from page_tables.form import interval, optional, table

RIVAL = "lora-rar"


def _by_name(part: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in part["rows"]}


def _differences(document: dict[str, Any], row: str) -> dict[str, dict[str, Any]]:
    """What `row` has more of "both" than each other: by the headline where it stands there."""
    found: dict[str, dict[str, Any]] = {}
    for part in ("screening", "headline"):
        for pair in document.get(part, {"paired": []})["paired"]:
            if pair["row"] == row:
                found[pair["less"]] = pair["both"]
    return found


def merges(document: dict[str, Any]) -> list[str]:
    """Every row of the screening, the best first."""
    headline = _by_name(document["headline"])
    less = _differences(document, "roles")
    rows = []
    for row in sorted(document["screening"]["rows"], key=lambda row: -row["both"]):
        name = row["name"]
        wide = optional(headline[name]["both"], ".3f") if name in headline else ""
        gap = interval(less[name], 3, "+") if name in less else ""
        shares = (f"{row[k]:.3f}" for k in ("both", "subject", "style"))
        rows.append((name, *shares, wide, gap, f"{row['merge seconds']:.2f}"))
    head = ("row", "both", "subject", "style", "both, 14 x 14", "roles less it", "merge, s")
    return table(head, rows)


def merges_rival(document: dict[str, Any]) -> list[str]:
    """LoRA.rar beside what it is to replace."""
    less = _differences(document, RIVAL)
    names = ("sum", "average", "ties", "dare-ties", "ziplora", "roles")
    return table(("LoRA.rar less", "both"), [(n, interval(less[n], 3, "+")) for n in names])


def merges_distance(document: dict[str, Any]) -> list[str]:
    """How far renders are from true pictures of the cell."""
    found = sorted(document["distances"].items(), key=lambda item: item[1])
    return table(("row", "MMD²"), [(name, f"{value:.3f}") for name, value in found])


def merges_crowd(document: dict[str, Any]) -> list[str]:
    """Merged with others that nobody asks for."""
    two, three, four = (_by_name(document[k]) for k in ("screening", "of three", "of four"))
    rows = [
        (name, *(f"{part[name]['both']:.3f}" for part in (two, three, four)))
        for name in sorted(three, key=lambda name: (-three[name]["both"], -two[name]["both"]))
    ]
    return table(("row", "two", "three", "four"), rows)


def merges_others(document: dict[str, Any]) -> list[str]:
    """Other recipes and ranks: the screening of the other zoo."""
    less = _differences(document, "roles")
    rows = []
    for row in sorted(document["screening"]["rows"], key=lambda row: -row["both"]):
        gap = interval(less[row["name"]], 3, "+") if row["name"] in less else ""
        rows.append((row["name"], f"{row['both']:.3f}", gap))
    return table(("row", "both", "roles less it"), rows)


def merge_rank(document: dict[str, Any]) -> list[str]:
    """Distillation losses of LoRA.rar's network and of the sum, by rank and recipe."""
    rows = [
        (name, f"{row[RIVAL]:.3f}", f"{row['sum']:.3f}") for name, row in document["rows"].items()
    ]
    return table(("adapters", "LoRA.rar", "sum"), rows)


def merge_speed(
    dense: dict[str, Any], modules: dict[str, Any], learned: dict[str, Any]
) -> list[str]:
    """Ours against the dense ways, PEFT's functions and ZipLoRA."""
    rar, speedups = dense["lora_rar"], modules["speedups"]
    ours, one, every = rar["factors"], rar["streaming_dense"], rar["all_dense"]

    def times(key: str) -> str:
        return f"{speedups[f'{key}, wall']['total']:.0f} times"

    def size(part: dict[str, Any]) -> str:
        return f"{part['peak_bytes'] / 1e9:.1f} GB"

    pair = learned["pairs"][0]
    rows = [
        ("LoRA.rar on SDXL's 560 attention matrices, two rank-64 files to one",
         f"{ours['all']['wall']:.1f} s, coefficients alone {ours['coefficients']['wall']:.1f} s, "
         f"{size(ours)}",
         f"dense as published {every['file']['wall']:.0f} s, {size(every)}; dense module by module "
         f"{one['file']['wall']:.1f} s, {size(one)}"),
        ("SVD of the sum, twelve SDXL modules", "1",
         f"PEFT's `svd` {times('svd against peft_svd')} the time, with thin SVDs "
         f"{times('svd against peft_svd_thin')}"),
        ("KnOTS, the same", "1",
         f"dense {times('knots against dense_knots')}, PEFT's `ties_svd` with thin SVDs "
         f"{times('knots against peft_ties_svd_thin')}"),
        ("LoRA.rar's coefficients on micro-1", f"{pair['network seconds'] * 1e3:.1f} ms (one pair)",
         f"ZipLoRA {pair['seconds']:.0f} s for {pair['steps']} steps, the most tried"),
    ]  # fmt: skip
    return table(("what", "ours", "against"), rows)


def forecast(document: dict[str, Any]) -> list[str]:
    """Spearman of the rate foretold with the rate found, means of both, and regret."""
    names = {"forecast": "from the weights", "forecast with drafts": "with drafts",
             "norms and overlaps": "norms and overlaps"}  # fmt: skip
    rows = []
    for key, name in names.items():
        way = document["ways"][key]
        ranks = (f"{way['spearman'][k]:.2f}" for k in ("both", "subject", "style"))
        means = f"{way['said'][2]:.3f}, {way['found'][2]:.3f}"
        rows.append((name, *ranks, means, f"{way['regret']:.3f}"))
    fixed = document["fixed"]
    rate = document["rates"][fixed][2]
    regret = document["regret of the best fixed way"]
    rows.append((f"always {fixed}, the best fixed way", "", "", "", f"{rate:.3f}", f"{regret:.3f}"))
    return table(("", "both", "subject", "style", "foretold, found", "regret"), rows)


def merge_optimum(document: dict[str, Any]) -> list[str]:
    """How far ways of merging are from what each adapter says alone, and whose gain that is."""
    shares = document["share of the optimum's gain"]
    lines = ["| merge | distance | share of the optimum's gain |", "|---|---|---|"]
    return [*lines, *(f"| {n} | {v:.3f} | {shares[n]:.2f} |" for n, v in document["means"].items())]
