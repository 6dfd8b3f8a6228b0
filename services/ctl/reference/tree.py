"""Every command with its words and options, in the order in which ``vipbus --help`` lists them."""

from __future__ import annotations

from collections.abc import Iterator

import click

from ctl.cli import Command, LazyGroup
from ctl.parameters import JsonOption

_COMMON = ("VIPBUS_STATE_DIR", "VIPBUS_BUS", "VIPBUS_LOG")


def commands(group: LazyGroup, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Command]]:
    """Walk the commands below a group: ``("config check", command)``."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        if isinstance(found, LazyGroup):
            yield from commands(found, (*path, name))
        elif isinstance(found, Command):
            yield " ".join((*path, name)), found


def synopsis(path: str, command: click.Command) -> str:
    """Write how a command is called."""
    arguments = [_argument(each) for each in command.params if isinstance(each, click.Argument)]
    return " ".join((f"vipbus {path} [OPTIONS]", *arguments))


def _argument(argument: click.Argument) -> str:
    return argument.make_metavar(click.Context(click.Command("vipbus")))


def own_options(command: click.Command) -> list[click.Option]:
    """List what a command has beside the options of all."""
    return [each for each in command.params if isinstance(each, click.Option) and not _common(each)]


def common_options(command: click.Command) -> list[click.Option]:
    """List the options that every command has which asks the bus."""
    return [each for each in command.params if isinstance(each, click.Option) and _common(each)]


def _common(option: click.Option) -> bool:
    return str(option.envvar) in _COMMON


def option_words(option: click.Option) -> tuple[str, str]:
    """Write an option's names with its value, and what it does."""
    context = click.Context(click.Command("vipbus"))
    names, text = option.get_help_record(context) or (", ".join(option.opts), "")
    return names, " ".join(text.split())


def paragraphs(command: click.Command) -> list[str]:
    """Split a command's text."""
    return [" ".join(each.split()) for each in (command.help or "").split("\n\n")]


def shape(command: click.Command) -> JsonOption | None:
    """Find what ``--json`` prints; None: the command has no such option."""
    return next((each for each in command.params if isinstance(each, JsonOption) and each.shape), None)


def examples(command: Command) -> list[str]:
    """Write the examples, what each is for above it, a blank line between two that have words."""
    lines: list[str] = []
    spaced = False
    for line, purpose in command.examples:
        if lines and (purpose or spaced):
            lines.append("")
        lines += [f"# {purpose}", line] if purpose else [line]
        spaced = bool(purpose)
    return lines
