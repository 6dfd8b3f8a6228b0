"""``vipbus plan``."""

from __future__ import annotations

from pathlib import Path

import click

from ctl.cli import command
from ctl.parameters import FILE, ROUTER, At, as_json, common


@command(
    "what would change in the table",
    """Print what would change in the kernel's table of each router, without changing it. Without --config
    that is the difference between what is desired now and what the kernel holds at this moment: normally
    nothing. With --config it is what FILE would bring, with verdicts, operators and roles as they are now;
    FILE is read as config-service would read it for that router.""",
    examples=(
        ("vipbus plan", "is the table as it should be?"),
        ("vipbus plan --config new.conf --router lb1", "what would new.conf change on lb1?"),
        ("vipbus plan --config new.conf --json | jq '.[].counts'", ""),
    ),
    statuses={
        0: "nothing to do",
        1: "something would change",
        2: "FILE is refused, or there is no such router",
        3: "the bus or a router did not answer, and the last line says what to do",
    },
)
@click.option("-f", "--config", "file", type=FILE, metavar="FILE", help="A configuration that need not run.")
@click.option("--router", type=ROUTER, metavar="ROUTER", help="Only this router (default: all that answer).")
@as_json("A JSON array, one TablePlan a router.", "vipbus.contracts.table_commands:TablePlan", "array")
@common
def plan(at: At, file: Path | None, router: str | None, *, as_json: bool) -> int:
    """Print the plans."""
    from ctl.plan import main  # noqa: PLC0415

    return main(bus=at.bus, state_dir=at.state_dir, file=file, router=router, as_json=as_json)
