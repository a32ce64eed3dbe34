"""`lorarium examples`."""

from __future__ import annotations

import click

from lorarium.cli.common import force_flag, json_flag, print_json, quiet_flag


@click.command("examples")
@click.argument("folder", default=".", metavar="[DIR]")
@force_flag
@json_flag
@quiet_flag
def command(folder: str, force: bool, as_json: bool, quiet: bool) -> None:
    """Put small files here to try everything on: LoRAs, a folder of LoRAs, pictures, prompts.

    Nothing is fetched. The commands of the documentation run on these files as they are written.

    \b
    lorarium examples
    lorarium examples try-it
    """
    from lorarium.library.example_folder import write_example_folder

    file_lines = write_example_folder(folder, force=force)
    if as_json:
        print_json({"folder": folder, "files": file_lines})
    elif not quiet:
        click.echo("\n".join(file_lines))
