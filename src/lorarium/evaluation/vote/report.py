"""The tally of a folder of sheets: one document, and a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lorarium.errors import plain
from lorarium.evaluation.vote.answers import Vote, read_key, read_sheets, read_votes
from lorarium.evaluation.vote.judge_agreement import JudgeVerdicts, compare_judge, read_verdicts
from lorarium.evaluation.vote.sheets import Json
from lorarium.evaluation.vote.tally import open_votes, tally


def count_votes(
    sheets: Path, answers: Sequence[Path], key: Path, *, part: str = "all",
    judges: Sequence[Path] = (), seed: int = 0,
) -> Json:  # fmt: skip
    """Read, check and count everything: the key must be the one that was sealed."""
    public = read_sheets(sheets)
    votes = read_votes(answers, public)
    verdicts = [read_verdicts(path) for path in judges]
    return vote_document(votes, read_key(key, public), part=part, judges=verdicts, seed=seed)


def vote_document(
    votes: Sequence[Vote], key: Mapping[str, Json], *, part: str = "all",
    judges: Sequence[JudgeVerdicts] = (), seed: int = 0,
) -> Json:  # fmt: skip
    """The tally of votes whose key is open, beside what judges say of the same cells."""
    answers = open_votes(votes, key, part)
    document = {"part": part, "by": voters_by_kind(votes), **tally(answers, seed=seed)}
    if judges:
        document["judges"] = [compare_judge(answers, judge) for judge in judges]
    return document


def voters_by_kind(votes: Sequence[Vote]) -> dict[str, list[str]]:
    """Whose votes these are: models and people are never counted as one another."""
    kinds: dict[str, set[str]] = {}
    for vote in votes:
        kinds.setdefault(vote.kind_of_voter, set()).add(vote.voter)
    return {kind: sorted(voters) for kind, voters in sorted(kinds.items())}


def summary(document: Mapping[str, Any]) -> str:
    lines = [
        f"{kind}s: {', '.join(plain(v) for v in voters)}" for kind, voters in document["by"].items()
    ]
    for kind, figures in document["kinds"].items():
        lines.append(
            f"\n{kind}: {figures['sheets']} sheets, {figures['targets']} targets,"
            f" {figures['answers']} answers"
        )
        for row in figures["rows"]:
            name = row["source"] + (f" over {row['over']}" if "over" in row else "")
            inside = f"{row['mean']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
            lines.append(f"  {plain(name)[:40]:40} {inside:>22} {row['answers']:>6}")
        for pair in figures["agreement"]:
            names = " and ".join(plain(voter) for voter in pair["voters"])
            lines.append(
                f"  {names}: kappa {_figure(pair['kappa'])}, without controls"
                f" {_figure(pair['kappa without controls'])} on {pair['cells']} cells"
            )
        lines += [f"  named: {plain(line)}" for line in figures["named"]]
    for judge in document.get("judges", ()):
        for kind, figures in judge["kinds"].items():
            lines.append(
                f"judge {plain(judge['judge'])}, {kind}: Spearman {_figure(figures['spearman'])},"
                f" mean difference {figures['mean difference']:+.3f}, absolute"
                f" {figures['mean absolute difference']:.3f}, kappa with the majority"
                f" {_figure(figures['kappa with the majority'])}"
            )
    return "\n".join(lines)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
