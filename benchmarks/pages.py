"""Every table of the pages that comes from a result or from the code, put between its marks.

    python benchmarks/pages.py            # fill README.md and docs/*.md
    python benchmarks/pages.py --check    # exit with 1 if a page says something else

A page asks for a table by a pair of marks, `<!-- figures: NAME -->` and `<!-- end -->`. What stands
between is made from `benchmarks/results` and never typed; tests/test_pages.py holds it to that.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from machine import RESULTS
from page_tables import (
    code,
    descriptors,
    formats,
    judges,
    library,
    merges,
    papers,
    studio,
    synth,
    training,
    words,
)
from page_tables.speed import speed_before
from page_tables.votes import merge_votes, votes

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"<!-- figures: ([a-z-]+) -->\n.*?<!-- end -->", re.S)

# name -> what makes its lines, and the results that it reads
TABLES: dict[str, tuple[Callable[..., list[str]], tuple[str, ...]]] = {
    "adoption-plans": (training.adoption_plans, ("adoption",)),
    "attack": (judges.attack, ("attack",)),
    "base": (training.base, ("base",)),
    "calibrations": (descriptors.calibrations, ("calibrations",)),
    "describe": (descriptors.describe, ("describe",)),
    "duplicates": (library.duplicates, ("duplicates",)),
    "families": (formats.families, ("families",)),
    "files": (judges.files, ("files",)),
    "files-heir": (judges.files, ("files-micro-2",)),
    "forecast": (merges.forecast, ("forecast",)),
    "forecast-others": (merges.forecast, ("forecast-others",)),
    "full-size": (training.full_size, ("full_size",)),
    "full-size-needs": (training.full_size_needs, ("full_size",)),
    "genre-votes": (judges.genre_votes, ("genre_votes",)),
    "headroom": (descriptors.headroom, ("headroom",)),
    "limits": (judges.limits, ("votes/limits",)),
    "lineage": (library.lineage, ("lineage",)),
    "lora-votes": (judges.lora_votes, ("lora_votes",)),
    "lora-recipes": (training.lora_recipes, ("lora_recipes",)),
    "merge-optimum": (merges.merge_optimum, ("merge_optimum",)),
    "merge-rank": (merges.merge_rank, ("merge_rank",)),
    "merge-speed": (
        merges.merge_speed,
        ("merge_speed_lora_rar", "merge_speed_modules", "zip_speed"),
    ),
    "merge-votes": (merge_votes, ("merge_votes",)),
    "merges": (merges.merges, ("merge",)),
    "merges-crowd": (merges.merges_crowd, ("merge",)),
    "merges-distance": (merges.merges_distance, ("merge",)),
    "merges-others": (merges.merges_others, ("merge-others",)),
    "merges-rival": (merges.merges_rival, ("merge",)),
    "methods": (code.methods, ()),
    "mint": (training.mint, ("mint",)),
    "only-here": (papers.only_here, ("lineage", "duplicates", "families")),
    "papers-said": (papers.papers_said, ("describe", "merge", "votes/tally", "synth")),
    "papers": (papers.papers, ("describe", "merge", "votes/tally", "synth_audit")),
    "programs": (code.programs, ()),
    "pilots": (training.bases, ("pilots",)),
    "bases": (training.bases, ("bases",)),
    "real-pictures": (training.real_pictures, ("real_pictures",)),
    "recompress": (formats.recompress, ("recompress",)),
    "recompress-file": (formats.recompress_file, ("recompress",)),
    "reporters": (judges.reporters, ("reporters",)),
    "scale": (library.scale, ("scale",)),
    "sketch-content": (descriptors.sketch_content, ("sketch",)),
    "sketch-copies": (descriptors.sketch_copies, ("sketch",)),
    "sketch-errors": (descriptors.sketch_errors, ("sketch",)),
    "sketch-merges": (descriptors.sketch_merges, ("sketch",)),
    "sketch-speed": (descriptors.sketch_speed, ("sketch",)),
    "speed": (library.speed, ("library",)),
    "speed-before": (speed_before, ("speed_before",)),
    "studio": (studio.studio, ("studio",)),
    "synth": (synth.synth, ("synth",)),
    "synth-audit": (synth.synth_audit, ("synth_audit",)),
    "synth-real": (synth.synth_real, ("synth_real",)),
    "tidy-killed": (studio.tidy_killed, ("tidy_killed",)),
    "votes": (votes, ("votes/tally",)),
    "words": (words.words, ("words",)),
    "words-engines": (words.words_engines, ("words_engines",)),
    "world-checks": (judges.world_checks, ("world_checks",)),
}


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@cache
def result(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))


def lines_of(name: str) -> list[str]:
    """A table, made anew."""
    make, results = TABLES[name]
    return make(*map(result, results))


def filled(text: str) -> str:
    """A page with all of its tables made anew."""

    def block(found: re.Match[str]) -> str:
        return "\n".join([f"<!-- figures: {found[1]} -->", *lines_of(found[1]), "<!-- end -->"])

    return BLOCK.sub(block, text)


def stale() -> list[Path]:
    """Pages that say something else than the results."""
    return [page for page in pages() if filled(text := page.read_text("utf-8")) != text]


def fill_pages() -> None:
    """Put every table into its page."""
    result.cache_clear()
    for page in stale():
        page.write_text(filled(page.read_text("utf-8")), "utf-8")
        print("filled", page.relative_to(ROOT))


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        wrong = stale()
        print(*wrong, sep="\n")
        sys.exit(bool(wrong))
    fill_pages()
