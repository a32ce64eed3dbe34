"""What the commands share: printing JSON under the published schema, and safe text."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from lorarium.bases.holding import Holding
from lorarium.errors import listed, need_packages, one_line, plain, quoted

if TYPE_CHECKING:
    from lorarium.formats.report import WriteReport

__all__ = [
    "DTYPE_HELP",
    "SCHEMA",
    "SEED",
    "base_options",
    "checkpointing_flag",
    "force_flag",
    "json_flag",
    "library_option",
    "loss_exit",
    "near_path",
    "need_torch",
    "offload_flag",
    "one_line",
    "plain",
    "print_json",
    "quiet_flag",
    "say_beside",
    "seed_option",
    "split_weight",
    "where_option",
]

SCHEMA = "lorarium/1"
LARGEST_SEED = 2**32 - 1  # what every generator of random numbers that we call can take
json_flag = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
quiet_flag = click.option("--quiet", is_flag=True, help="Print nothing but errors.")
force_flag = click.option(
    "--force",
    is_flag=True,
    help="Write over what is there; what is also an input is kept as NAME.bak.",
)
library_option = click.option(
    "--library",
    metavar="DIR",
    envvar="LORARIUM_LIBRARY",
    help="The library. [default: ~/.local/share/lorarium, or LORARIUM_LIBRARY]",
)
where_option = click.option(
    "--where", metavar="EXPR", help="Only files of which this is true: 'rank >= 8 and tags = ink'."
)
SEED = click.IntRange(0, LARGEST_SEED)
seed_option = click.option(
    "--seed",
    type=SEED,
    metavar="N",
    default=0,
    show_default=True,
    help="Seed of every random choice.",
)
device_option = click.option(
    "--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1 or mps."
)
DTYPE_HELP = "Numbers of a --base of others: float32, bfloat16 or float16. [default: float32]"
offload_flag = click.option(
    "--offload", is_flag=True, help="Networks of a --base are in memory only while needed."
)
checkpointing_flag = click.option(
    "--checkpointing", is_flag=True, help="Of a --base of others: less memory, more time."
)


def base_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--device, --dtype and --offload of a command that opens a base, as one `holding`."""
    dtype_option = click.option("--dtype", default="float32", metavar="NAME", help=DTYPE_HELP)
    return device_option(dtype_option(offload_flag(with_holding(command))))


def with_holding(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command that gets one `holding` for its options of a base."""

    @functools.wraps(command)
    def collected(
        *args: Any, device: str = "cpu", dtype: str = "float32", offload: bool = False,
        checkpointing: bool = False, **more: Any,
    ) -> Any:  # fmt: skip
        say = None if more.get("quiet") else say_beside
        holding = Holding(device, dtype, offload, checkpointing, say)
        return command(*args, holding=holding, **more)

    return collected


def adopted_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--adopted NAME of a command that uses what was trained for a base."""

    @functools.wraps(command)
    def borrowing(*args: Any, adopted: str | None = None, **more: Any) -> Any:
        from lorarium.adopted import borrowed

        with borrowed(adopted) as base:
            if base is not None:
                say_beside(f"warning: what is used was learned on {base.name}, not on this base")
            return command(*args, **more)

    return click.option(
        "--adopted", metavar="NAME", help="Borrow what was learned for another, adopted base."
    )(borrowing)


def say_beside(words: str) -> None:
    """Words beside the results."""
    click.echo(plain(words), err=True)


def near_path(path: str) -> str:
    """A path as it is shown: from here where that is shorter; harmless."""
    try:
        near = os.path.relpath(path) if os.path.isabs(path) else path
    except (ValueError, OSError):  # another drive, or where one stands is gone
        near = path
    return one_line(min(path, near, key=len))


def print_json(document: dict[str, Any]) -> None:
    click.echo(json.dumps({"schema": SCHEMA, **document}, ensure_ascii=True, allow_nan=False))


def loss_exit(written: WriteReport) -> int:
    """The exit code after writing; 1, with a line on stderr, when modules are lost or not right."""
    refused = [f"{quoted(fate.name)} ({fate.reason})" for fate in written.refused()]
    if refused:
        count = f"{len(refused)} of {len(written.modules)} modules"
        share = f"{count} and {written.lost_energy:.2%} of the energy have no place in"
        click.echo(f"lorarium: {share} {written.dialect}: {listed(refused)}", err=True)
    if not written.verified:
        names = listed([f"{quoted(n)} ({why})" for n, why in written.unverified.items()])
        click.echo(f"lorarium: not what was meant: {names}", err=True)
    return int(bool(refused) or not written.verified)


def need_torch(command: str) -> None:
    """Refuse a command that runs networks when their extra is not installed."""
    need_packages(f"`lorarium {command}`", ("torch", "PIL"), "torch")


def split_weight(text: str) -> tuple[str, float]:
    """`NAME:w` at the last colon, only when a number follows; the weight is 1 without one."""
    name, colon, number = text.rpartition(":")
    if colon and name:
        try:
            return name, float(number)
        except ValueError:
            pass
    return text, 1.0
