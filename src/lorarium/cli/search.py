"""`lorarium search`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from lorarium.cli.common import (
    json_flag,
    library_option,
    near_path,
    one_line,
    print_json,
    quiet_flag,
    where_option,
)
from lorarium.cli.written import size_words
from lorarium.errors import LorariumError
from lorarium.library import Library, Query

if TYPE_CHECKING:
    from lorarium.library import Answer, Match

WORDS = 6


@click.command("search")
@click.argument("queries", nargs=-1, metavar="QUERY...")
@library_option
@click.option(
    "-k", "count", type=click.IntRange(1), default=10, show_default=True, help="How many."
)
@where_option
@click.option(
    "--pictures", multiple=True, metavar="PATH", help="Also like these: a picture, or a folder."
)
@click.option("--words", multiple=True, metavar="TEXT", help="Also like these words.")
@click.option("--text", "kind", flag_value="words", help="Queries are words.")
@click.option("--image", "kind", flag_value="pictures", help="Queries are pictures.")
@click.option("--lora", "kind", flag_value="adapter", help="Queries are LoRA files.")
@json_flag
@quiet_flag
def command(
    queries: tuple[str, ...],
    library: str | None,
    count: int,
    where: str | None,
    pictures: tuple[str, ...],
    words: tuple[str, ...],
    kind: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Find LoRAs by words, a LoRA, pictures, or facts.

    A query that is a file is that file, a folder is its pictures, anything else is words: of names,
    folders, titles, trigger words, tags and descriptions, typing mistakes forgiven. Several queries
    are looked for together. Among words may stand "quoted phrases", -minus words (after --, or
    inside of quotes), and filters: tag:anime family:sdxl folder:style rank>8 size<100MB.

    \b
    lorarium search pokemon
    lorarium search ink.safetensors
    lorarium search ink.safetensors 'wash -sketch'
    lorarium search 'dragon tag:style rank>8'
    lorarium search --pictures paintings/ --words "red ink"
    lorarium search --where 'rank >= 8 and not tags = anime'
    """
    here = Library(library)  # it says so when its extra is missing, which the next line needs
    from lorarium.library.query import as_query

    asked = one_text([as_query(query, kind) for query in queries])  # type: ignore[arg-type]
    asked += [as_query(path, "pictures") for path in pictures]
    asked += [as_query(text, "words") for text in words]
    if not asked and where is None:
        raise LorariumError("what should be searched for?", hint="words, a file, or --where")
    answer = here.search(*asked, k=count, where=where, relate=True)
    if as_json:
        named = [{"kind": q.kind, "query": str(q.content)} for q in asked]
        print_json({"queries": named, **answer.to_json()})
    elif not quiet:
        for line in lines(answer):
            click.echo(line)


def one_text(queries: Sequence[Query]) -> list[Query]:
    """Words that came one by one from the shell are one text."""
    texts = [str(query.content) for query in queries if query.kind == "words"]
    others = [query for query in queries if query.kind != "words"]
    return [*others, *([Query("words", " ".join(texts))] if texts else [])]


def lines(answer: Answer) -> Iterator[str]:
    """The answer for people: how near the best is, then two lines for each match."""
    for typed, meant in answer.corrections.items():
        yield click.style(one_line(f"nobody here writes {typed!r}; taken for {meant!r}"), dim=True)
    if answer.note:
        yield click.style(one_line(answer.note), dim=True)
    if not answer.matches:
        yield "nothing found"
    elif answer.close is False:
        yield click.style(_far(answer), fg="yellow")
    elif answer.close is None and answer.space:
        yield click.style("too few here to say what is close", dim=True)
    for match in answer.matches:
        more = f" and {len(match.paths) - 1} more" if len(match.paths) > 1 else ""
        score = "" if answer.close is None and not answer.space else f"{match.score:6.3f}  "
        path = click.style(near_path(match.paths[0]), bold=answer.close is not False)
        yield score + path + click.style(more, dim=True)
        if about := _about(match, answer):
            yield " " * len(score or "  ") + click.style(about, dim=True)
    if answer.more:
        yield click.style(f"and {answer.more:,} more: -k", dim=True)


def _far(answer: Answer) -> str:
    if any(match.text_score is not None for match in answer) or answer.threshold is None:
        return "nothing here is close to these words; the nearest:"
    best, threshold = answer.matches[0].score, answer.threshold
    return f"nothing here is close: the best has {best:.2f}, below {threshold:.2f}"


def _about(match: Match, answer: Answer) -> str:
    """Why it is here, and what it is: relation, rank, size, title, the words that wake it, tags."""
    facts = match.facts
    wakes, tags = facts["words"], [tag for tag in facts["tags"] if tag not in facts["words"]]
    title = next((text for text in (*(facts.get("names") or ()), facts["title"]) if text), "")
    says_why = match.text_score is not None or "preview" in match.why
    described = [
        "by " + ", ".join(match.why) if says_why else "",
        match.relation,
        f"rank {facts['rank']:g}" if facts["rank"] is not None else "",
        size_words(facts["size"]),
        title,
        f"answers to {', '.join(wakes[:WORDS])}" if wakes else "",
        ", ".join(tags[: max(0, WORDS - len(wakes))]),
    ]
    if not answer.family:
        described.insert(0, facts["error"] or facts["family"])
    return one_line("; ".join(one_line(text, 120) for text in described if text), 300)
