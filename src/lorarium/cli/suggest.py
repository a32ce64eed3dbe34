"""Commands, options and choices that were mistyped are answered with the nearest right word."""

from __future__ import annotations

from typing import Any

import click

from lorarium.errors import did_you_mean


class Group(click.Group):
    """A group of commands that shows its help when it is called alone."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            meant = did_you_mean(args[0], self.list_commands(ctx))
            ctx.fail(f"No such command {args[0]!r}{meant}")
        return super().resolve_command(ctx, args)


class Choice(click.Choice):
    """One of a few words."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            meant = did_you_mean(str(value), [str(word) for word in self.choices])
            if not meant:
                raise
            raise click.BadParameter(error.message.rstrip(".") + meant, ctx, param) from None


def usage_message(error: click.ClickException) -> str:
    """What click says of a wrong call; of an unknown option also the one that was meant."""
    if not isinstance(error, click.NoSuchOption):
        return error.format_message()
    options = [
        name
        for parameter in (error.ctx.command.params if error.ctx else [])
        for name in (*parameter.opts, *parameter.secondary_opts)
        if isinstance(parameter, click.Option)
    ]
    return f"No such option {error.option_name!r}{did_you_mean(error.option_name, options)}"
