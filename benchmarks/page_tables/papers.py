"""The README's tables: each paper, what stands here for it, its figure, its limit."""

from __future__ import annotations

from typing import Any

from page_tables.form import table

MERGED = ("sum", "np-lora", "lora-rar", "roles")
OURS, TUNED = "generated, 12 pictures", "trained, 300 steps"


def papers(
    describe: dict[str, Any], merge: dict[str, Any], votes: dict[str, Any], audit: dict[str, Any]
) -> list[str]:
    """One row for each of the three papers."""
    artists = describe["kinds"]["style"]["rows"]
    same = {row["name"]: row["splits"].get("same", {}).get("r_at_1", 0.0) for row in artists}
    cross = next(row for row in artists if row["name"] == "probe")["splits"]["cross"]["r_at_1"]
    raw = max(value for name, value in same.items() if name.startswith("raw"))
    style, subject, merged = (
        {row["source"]: row["mean"] for row in votes["parts"]["all"]["kinds"][kind]["rows"]}
        for kind in ("style", "subject", "merge")
    )
    shows = {row["name"]: row["both"] for row in merge["headline"]["rows"]}
    found = audit["style"]["weights"]["rows"]["generated"]["nearest is its artist"]
    rows = (
        (
            "*A LoRA is Worth a Thousand Pictures*, 2412.12048: adapters as vectors",
            "[sketches, `probe`](docs/describe.md), from weights alone",
            f"the nearest adapter is by the same artist: `probe` {same['probe']:.2f}, raw factors "
            f"{raw:.2f} at best, pictures seen by a CLIP-like encoder "
            f"{same['CLIP-like, samples']:.2f}; across recipes `probe` {cross:.2f} "
            "(`benchmarks/describe.py`)",
            "`probe` knows micro-1 alone; other bases have sketches",
        ),
        (
            "*LoRA Diffusion*, 2412.02352: adapters out of a network",
            "[`synth`](docs/synth.md), from a few pictures, at once",
            f"blind voters accept {style[OURS]:.2f} of its pictures as the artist's, "
            f"{subject[OURS]:.2f} as the individual; of a LoRA trained for 300 steps "
            f"{style[TUNED]:.2f} and {subject[TUNED]:.2f} (`benchmarks/votes.py tally`)",
            f"a demonstration on micro-1, far below training; `search` by weights finds the right "
            f"artist for {found:.2f} of what it writes (`benchmarks/synth_audit.py`)",
        ),
        (
            "*LoRA.rar*, 2412.05148: a network that merges a subject and a style",
            "[`lora-rar`, and our `roles`](docs/merge-methods.md)",
            f"judge B sees both in {shows['lora-rar']:.3f} of its pictures, {shows['sum']:.3f} of "
            f"the plain sum's, {shows['roles']:.3f} of those by `roles`, "
            f"{shows['true renders']:.3f} of true ones (`benchmarks/merge.py`)",
            f"blind voters accept {max(merged[name] for name in MERGED):.2f} of what merges of "
            f"library LoRAs draw, by any of {len(MERGED)} methods (`benchmarks/votes.py tally`)",
        ),
    )
    return table(("paper", "our system", "figure", "limit"), rows)


def papers_said(
    describe: dict[str, Any], merge: dict[str, Any], votes: dict[str, Any], synth: dict[str, Any]
) -> list[str]:
    """What the papers report, where it is known, and the same question here."""
    artists = {row["name"]: row["splits"] for row in describe["kinds"]["style"]["rows"]}

    def found(name: str) -> str:
        both = (artists[name].get(split, {}).get("r_at_1") for split in ("same", "cross"))
        return ", ".join("-" if rate is None else f"{rate:.2f}" for rate in both)

    screened = {row["name"]: row for row in merge["screening"]["rows"]}
    voted = {row["source"]: row["mean"] for row in votes["parts"]["all"]["kinds"]["merge"]["rows"]}
    times = screened["ziplora"]["merge seconds"] / screened["lora-rar"]["merge seconds"]

    def merged(name: str) -> str:
        seen = "-" if name not in voted else f"{voted[name]:.2f}"
        return f"{screened[name]['both']:.3f}; votes {seen}"

    def gains(kind: str, group: str) -> str:
        rows = {row["name"]: row for row in synth["kinds"][kind]["groups"][group]["rows"]}
        return ", ".join(
            f"{rows[f'diffusion, x0, {block}']['gain']['mean']:.2f}"
            for block in ("adalora", "adanorm")
        )

    thousand, rar, faces = "A LoRA is Worth...", "LoRA.rar", "LoRA Diffusion"
    rows = [
        (thousand, "weights find the artist better than pictures' features (no values at hand)",
         "the nearest adapter is by the artist, same and other recipes: "
         f"`probe` {found('probe')}; products of factors {found('product')}; "
         f"CLIP-like {found('CLIP-like, samples')}; DINO-like {found('DINO-like, samples')}"),
        (rar, "MARS² average 0.71 (second-hand)", f"both seen: {merged('lora-rar')}"),
        (rar, "ZipLoRA's MARS² average 0.58 (second-hand)", f"both seen: {merged('ziplora')}"),
        (rar, "the plain sum", f"both seen: {merged('sum')}"),
        (rar, "true pictures", f"both seen: {merged('true renders')}"),
        (rar, "merges more than 4,000 times faster than ZipLoRA",
         f"{times:.0f} times, on one core and a base that is small"),
        (faces, "ADALoRA is about 30% more alike than AdaNorm (faces, second-hand)",
         "share of the tuned training's gain, ADALoRA and AdaNorm: "
         f"artists {gains('style', 'seen')}, of unseen genres "
         f"{gains('style', 'held-out genres')}, individuals {gains('subject', 'seen')}"),
    ]  # fmt: skip
    return table(("paper", "reported there", "here"), rows)


def only_here(
    lineage: dict[str, Any], duplicates: dict[str, Any], families: dict[str, Any]
) -> list[str]:
    """What we know of nowhere else, measured on planted files."""
    made = lineage["made of"]
    verdicts = [row["verdict"] for row in families["rows"]]
    rows = (
        (
            "what a merge was made of, from weights alone",
            "[`lineage`](docs/library.md#lineage)",
            f"{made['verdicts']['right']} of {made['questions']} planted files right; of "
            f"{made['parents called sure']} parents called sure {made['wrong ones among them']} "
            "are wrong (`benchmarks/lineage.py`)",
            "parents must be in the library; without their header TIES, DARE and their kin cannot "
            "be told",
        ),
        (
            "copies in any dialect, type or factors, and which one to keep",
            "[`duplicates`, `tidy`](docs/tidy.md)",
            f"{len(duplicates['wrong'])} of {duplicates['pairs of one origin']:,} planted pairs "
            f"and of {duplicates['pairs of other origins']:,} others wrong "
            "(`benchmarks/duplicates.py`)",
            "a cut that kept less than a tenth of the energy may be overlooked",
        ),
        (
            "the base model of a file, from names and shapes",
            "[`inspect`](docs/formats.md#families)",
            f"of {len(verdicts)} adapters of all classes of diffusers {verdicts.count('right')} "
            f"named, {verdicts.count('listed')} among alternatives, {verdicts.count('unknown')} "
            f"unknown, {verdicts.count('wrong')} wrong (`benchmarks/families.py`)",
            "fine-tunes of one base look alike; sizes that nobody published are unknown",
        ),
    )
    return table(("what we know of nowhere else", "our system", "figure", "limit"), rows)
