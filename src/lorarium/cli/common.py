"""What the commands share: printing JSON under the published schema, and safe text."""

from __future__ import annotations

import json
from typing import Any

import click

from lorarium.errors import one_line, plain

__all__ = ["SCHEMA", "json_flag", "one_line", "plain", "print_json", "quiet_flag", "seed_option"]

SCHEMA = "lorarium/1"
json_flag = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
quiet_flag = click.option("--quiet", is_flag=True, help="Print nothing but errors.")
seed_option = click.option(
    "--seed", default=0, show_default=True, help="Seed of every random choice."
)


def print_json(document: dict[str, Any]) -> None:
    click.echo(json.dumps({"schema": SCHEMA, **document}, ensure_ascii=True, allow_nan=False))
