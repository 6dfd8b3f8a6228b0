"""The options of ``vipbus plan``."""

from __future__ import annotations

import argparse
from pathlib import Path

from vipbus.runtime.settings import add_common_options

PLAN = """Print what would change in the kernel's table of each router, without changing it. Without --config
that is the difference between what is desired now and what the kernel holds at this moment: normally nothing.
With --config it is what FILE would bring, with verdicts, operators and roles as they are now; FILE is read as
config-service would read it for that router. Exit status 0: nothing to do; 1: something would change; 2: FILE
is refused, there is no such router, or one did not answer, and the last line says what to do."""
EXAMPLES = """examples:
  vipbus plan                                     is the table as it should be?
  vipbus plan --config new.conf --router lb1      what would new.conf change on lb1?
  vipbus plan --config new.conf --json | jq '.[].counts'"""


def add_plan(parser: argparse.ArgumentParser) -> None:
    """Give ``vipbus plan`` its options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    add_common_options(parser)
    parser.add_argument("-f", "--config", type=Path, metavar="FILE", help="a configuration that need not run")
    parser.add_argument("--router", metavar="ROUTER", help="only this router (default: all that answer)")
    parser.add_argument("--json", action="store_true", help="a JSON array, one TablePlan a router")
    parser.set_defaults(action=_plan)


def _plan(arguments: argparse.Namespace) -> int:
    from ctl import plan  # noqa: PLC0415  # the other commands start without it

    return plan.main(
        bus=arguments.bus,
        state_dir=arguments.state_dir,
        file=arguments.config,
        router=arguments.router,
        as_json=arguments.json,
    )
