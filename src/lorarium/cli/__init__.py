"""The command line: one thin file per command, loaded only when it is called."""

from __future__ import annotations

import importlib
import sys

import click

from lorarium import __version__
from lorarium.errors import LorariumError

# name -> one line of help; the command itself is `command` in lorarium/cli/<name>.py
COMMANDS = {
    "inspect": "Say what is in LoRA files, and whether they are healthy.",
    "metadata": "Show or edit the metadata of a LoRA file.",
    "convert": "Rewrite LoRA files in another dialect, checked key by key.",
    "resize": "Recompress a LoRA to a rank, an energy or a size.",
    "merge": "Merge LoRAs into one ordinary file.",
    "train": "Train a LoRA from pictures.",
    "render": "Make pictures from a prompt and LoRAs.",
    "mint": "Train many LoRAs at once from a recipe.",
    "world": "Look at the drawn world.",
    "tour": "See everything work on the embedded world.",
}


class LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        return importlib.import_module(f"lorarium.cli.{name}").command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """LoRA adapters of text-to-image models, treated as data."""


def main() -> None:
    """Run the command line; an expected error is one line on stderr and exit code 2."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        fail(" ".join(error.format_message().split()))
    except LorariumError as error:
        fail(str(error))
    except (KeyboardInterrupt, click.Abort):
        click.echo("stopped", err=True)
        sys.exit(130)


def fail(message: str) -> None:
    click.echo(f"lorarium: {message}", err=True)
    sys.exit(2)
