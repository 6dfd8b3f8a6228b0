"""``vipbus doctor``."""

from __future__ import annotations

from pathlib import Path

import click

from ctl.cli import command
from ctl.parameters import FILE, ROUTER, At, as_json, common


@command(
    "find what stands in the way",
    """Look at this host, the bus and the routers: kernel modules, privileges, interfaces, sysctls, who
    answers ARP for an address of direct routing, whether routers hear each other, clock and bus. Each thing
    that is not as it should be comes with its remedy; nothing is changed.""",
    examples=(
        ("vipbus doctor", "a router that runs"),
        ("vipbus doctor -f /etc/keepalived/keepalived.conf", "before the first start"),
        ("vipbus doctor --real-server 10.9.0.100", "on a real server of direct routing"),
    ),
    statuses={
        0: "nothing stops anything",
        2: "the question makes no sense, or FILE is refused",
        3: "there is a problem",
    },
)
@click.option("-f", "--file", type=FILE, metavar="FILE", help="What this file needs, not what runs.")
@click.option(
    "--router", type=ROUTER, metavar="NAME", help="The router to look at (default: the one that runs here)."
)
@click.option("--real-server", metavar="ADDRESS", help="Look at this host as a real server that has ADDRESS.")
@as_json("The findings as one JSON array.", "ctl.doctor.finding:Finding", "array")
@common
def doctor(at: At, file: Path | None, router: str | None, real_server: str | None, *, as_json: bool) -> int:
    """Look, and print what was found."""
    from ctl.doctor.command import main  # noqa: PLC0415

    return main(
        bus_url=at.bus, state_dir=at.state_dir, file=file, router=router, real=real_server, as_json=as_json
    )
