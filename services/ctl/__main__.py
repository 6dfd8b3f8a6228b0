"""The ``vipbus`` command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from ctl.cli import LazyGroup, usage_line
from ctl.commands import SECTIONS
from ctl.exits import EXIT_INTERRUPTED, EXIT_WRONG
from vipbus import __version__
from vipbus.telemetry.logs import plain

vipbus = click.version_option(__version__, message="vipbus %(version)s")(
    LazyGroup(SECTIONS, name="vipbus", help="A Linux load balancer whose parts talk through a message bus.")
)


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    if (asked := os.environ.get("_VIPBUS_COMPLETE")) and argv is None:
        from ctl.completion import answer  # noqa: PLC0415  # a shell asks, and no command starts

        return answer(vipbus, asked)
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        # click's own main() would end the process and turn a closed pipe into an error
        with vipbus.make_context("vipbus", arguments) as context:
            status: int = vipbus.invoke(context)
            return status
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(f"{error.format_message()}\n\n{error.ctx.command_path}: COMMAND is missing\n")
        return EXIT_WRONG
    except click.ClickException as error:
        sys.stderr.write(f"{plain(usage_line(error))}\n")
        return error.exit_code
    except BrokenPipeError:
        # whoever read has enough (| head); the interpreter must not try to flush at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (KeyboardInterrupt, click.Abort):
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
