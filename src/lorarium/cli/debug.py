"""`--debug`, an option of every command: what an error looked like from inside."""

from __future__ import annotations

import os
from typing import Any

import click

from lorarium.errors import DEBUG


def _turn_on(context: click.Context, parameter: click.Parameter, flag: bool) -> None:
    if flag:
        os.environ[DEBUG] = "1"  # which the processes that a command starts inherit


def with_debug(command: click.Command) -> click.Command:
    """The command, and those below it, with the option."""
    if not any(parameter.name == "debug" for parameter in command.params):
        command.params.append(
            click.Option(
                ["--debug"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_turn_on,
                help="Show the traceback of an error too.",
            )
        )
    below: dict[str, Any] = getattr(command, "commands", {})
    for inner in below.values():
        with_debug(inner)
    return command
