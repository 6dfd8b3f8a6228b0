"""``vipbus table``."""

from __future__ import annotations

import click

from ctl.cli import command
from ctl.parameters import ROUTER, VIRTUAL_SERVER, At, as_json, common


@command(
    "the table with verdicts and rates",
    """Print the kernel's IPVS table of each router as ipvsadm(8) lists it, with what vipbus knows of it:
    where each weight comes from, each verdict with its cause, the quorum, and what an operator said; then the
    proxies and pools of its HAProxy in the same way. Connections and rates are read at this moment; the rates
    are the kernel's own estimate over the last seconds, and HAProxy's of the last one. With --live they are
    measured between two reads a second apart: in a terminal the table is drawn anew each second until ctrl-C,
    in a pipe it is printed once.

    VIRTUAL-SERVER is ADDRESS:PORT, 'ADDRESS:PORT TCP', 'FWM 7', 'pool NAME', 'proxy NAME', or a token.""",
    examples=(
        ("vipbus table", "every virtual server on every router"),
        ("vipbus table 10.9.0.1:80 --live", "one, with rates by the second"),
        ("vipbus table 'pool app' --live", "one pool of proxies"),
        (
            "vipbus table --json | jq '.[].virtual_servers[].real_servers[] | select(.verdict == \"down\")'",
            "",
        ),
    ),
    statuses={
        0: "every kernel and every HAProxy was read",
        2: "there is no such router, virtual server, pool or proxy",
        3: "not every one was read, and what was last heard is shown",
    },
)
@click.option("--live", is_flag=True, help="Rates between two reads, again each second.")
@click.option("--router", type=ROUTER, metavar="ROUTER", help="Only this router's (default: all).")
@as_json("A JSON array, one object a router; printed once.", "ctl.table_report:RouterReport", "array")
@click.argument("virtual_server", type=VIRTUAL_SERVER, required=False, metavar="[VIRTUAL-SERVER]")
@common
def table(at: At, virtual_server: str | None, router: str | None, *, live: bool, as_json: bool) -> int:
    """Print the tables."""
    from ctl.table import Question, main  # noqa: PLC0415

    return main(
        bus=at.bus,
        state_dir=at.state_dir,
        question=Question(virtual_server=virtual_server, router=router, live=live),
        as_json=as_json,
    )
