"""`lorarium studio`: the collection as a page in the browser."""

from __future__ import annotations

import threading
import webbrowser

import click

from lorarium.cli.common import library_option, quiet_flag
from lorarium.errors import LorariumError, need_packages, quoted
from lorarium.library import Library

PORT = 7861


@click.command("studio")
@click.argument("folders", nargs=-1, metavar="[DIR...]")
@library_option
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Let others than this machine in."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0: a free one."
)
@click.option(
    "--token", envvar="LORARIUM_TOKEN", help="Needed by whoever connects. [default: made by --host]"
)
@click.option(
    "--read-token", envvar="LORARIUM_READ_TOKEN", help="For programs that may only look at things."
)
@click.option(
    "--base",
    "bases",
    multiple=True,
    metavar="FAMILY=WHERE",
    help="A base model to draw with, as `render --base` takes it.",
)
@click.option("--no-browser", is_flag=True, help="Do not open a browser.")
@quiet_flag
def command(
    folders: tuple[str, ...],
    library: str | None,
    host: str,
    port: int,
    token: str | None,
    read_token: str | None,
    bases: tuple[str, ...],
    no_browser: bool,
    quiet: bool,
) -> None:
    """Look at a collection of LoRAs, find, merge and tidy, in the browser.

    The page is served to this machine alone, and fetches nothing from elsewhere. It sees the
    folders that are named, or those that the library has files of, and nothing outside them.

    \b
    lorarium studio loras/
    lorarium studio
    lorarium studio loras/ --base sdxl=models/sdxl
    """
    need_packages("`lorarium studio`", ("fastapi", "uvicorn", "PIL"), "studio")
    from lorarium.studio.serving import is_loopback, listen, make_server, rules_for

    at_hand = dict(map(_base, bases))
    listener = listen(host, port)
    port = listener.getsockname()[1]
    rules = rules_for(host, port, token, read_token)
    server = make_server(Library(library), folders, rules, bases=at_hand)
    name = "localhost" if host in ("127.0.0.1", "::1") else f"[{host}]" if ":" in host else host
    address = f"http://{name}:{port}/"
    if not quiet:
        click.echo(f"studio: {address} (Ctrl-C ends it)")
        if rules.token and not token:
            click.echo(f"access token: {rules.token}")
        if not is_loopback(host):
            click.echo("others can connect; what they send is not encrypted", err=True)
    if not no_browser:
        threading.Timer(0.8, webbrowser.open, [address]).start()
    server.run([listener])


def _base(text: str) -> tuple[str, str]:
    """A family and what to open for it."""
    from lorarium.formats.families import FAMILIES

    family, equals, where = text.partition("=")
    if not equals or not where or family not in FAMILIES:
        what = f"--base wants FAMILY=WHERE, not {quoted(text)}"
        raise LorariumError(what, hint=f"a family is one of {', '.join(FAMILIES)}")
    return family, where
