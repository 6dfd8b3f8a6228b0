"""What ``vipbus`` is made of: a command that knows its examples and exit statuses, and groups that are lazy.

Start-up is failover time: a group imports the module of a command when that command is called, and a module
in ``ctl.commands`` holds options and words only; what its command does it imports when it does it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

Example = tuple[str, str]
"""A command line, and what it is for; empty where the line says it."""


class Command(click.Command):
    """A command that says when it ends with which status, and shows how it is used."""

    def __init__(self, *, examples: Sequence[Example], statuses: Mapping[int, str], **more: Any) -> None:
        super().__init__(**more)
        self.examples = tuple(examples)
        self.statuses = dict(statuses)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; click's parser does not always say which command it read them for."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write exit statuses and examples below the options."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Exit status"):
            formatter.write_dl([(str(status), meaning) for status, meaning in self.statuses.items()])
        with formatter.section("Examples"):
            for line, purpose in self.examples:
                if purpose:
                    formatter.write(f"{'':{formatter.current_indent}}# {purpose}\n")
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")


def command(
    summary: str, text: str, *, examples: Sequence[Example], statuses: Mapping[int, str]
) -> Callable[[Callable[..., int]], Command]:
    """Make a command of a function that returns its exit status; the function's name is the command's.

    ``summary`` stands in the list of commands, ``text`` in the command's own help.
    """

    def make(function: Callable[..., int]) -> Command:
        return click.command(
            cls=Command,
            name=function.__name__.replace("_", "-"),
            short_help=summary,
            help=text,
            examples=examples,
            statuses=statuses,
            context_settings=_SETTINGS,
        )(function)

    return make


class LazyGroup(click.Group):
    """A group of commands in sections; each is ``module:name`` and imported when it is called."""

    def __init__(self, sections: Mapping[str, Mapping[str, str]], **more: Any) -> None:
        super().__init__(context_settings=_SETTINGS, **more)
        self.sections = sections
        self._where = {name: where for section in sections.values() for name, where in section.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Name the commands in the order in which they are shown."""
        return list(self._where)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command."""
        where = self._where.get(cmd_name)
        if where is None:
            return None
        module, _, name = where.partition(":")
        found = getattr(import_module(module), name)
        assert isinstance(found, click.Command), where  # noqa: S101  # a wrong line in the table
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is called; say the nearest name where there is none."""
        if args[0] in self._where or args[0].startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        raise click.UsageError(f"no such command {args[0]}{nearest(args[0], self._where)}", ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, a section after another."""
        for title, section in self.sections.items():
            with formatter.section(title):
                found = {name: self.get_command(ctx, name) for name in section}
                formatter.write_dl(
                    [(name, each.get_short_help_str(200)) for name, each in found.items() if each is not None]
                )


def group(summary: str, commands: Mapping[str, str]) -> LazyGroup:
    """Make a group below ``vipbus``: ``vipbus config ...``."""
    return LazyGroup({"Commands": commands}, short_help=summary, help=f"{summary[0].upper()}{summary[1:]}.")


def nearest(word: str, known: Sequence[str] | Mapping[str, str]) -> str:
    """Say which known word was meant, if one is near: ``; did you mean status``."""
    found = get_close_matches(word, list(known), n=1)
    return f"; did you mean {found[0]}" if found else ""


def usage_line(error: click.ClickException) -> str:
    """Say what is wrong with a command line, in one line: which command, what, what to do."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context else "vipbus"
    said = _said(error, context)
    hint = "" if "; " in said else f"; see `{path} --help`"
    return f"{path}: {said}{hint}"


def _said(error: click.ClickException, context: click.Context | None) -> str:
    if isinstance(error, click.NoSuchOption):
        options = [name for each in context.command.params for name in each.opts] if context else []
        return f"no such option {error.option_name}{nearest(error.option_name, options)}"
    if isinstance(error, click.MissingParameter) and error.param is not None:
        return f"{_named(error.param)} is missing"
    if isinstance(error, click.BadParameter) and error.param is not None:
        return f"{_named(error.param)}: {error.message.rstrip('.')}"
    said = error.format_message().rstrip(".")
    return said[:1].lower() + said[1:]


def _named(parameter: click.Parameter) -> str:
    return (
        "/".join(parameter.opts) if parameter.param_type_name == "option" else parameter.human_readable_name
    )
