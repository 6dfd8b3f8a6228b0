"""``vipbus vrrp``."""

from __future__ import annotations

import click

from ctl.cli import command, group
from ctl.parameters import INSTANCE, ROUTER, At, as_json, common

vrrp = group("look into the election", {"show": "ctl.commands.vrrp:show"})


@command(
    "what the instances do and have counted",
    """Show each router's instances: role, priority, what is tracked, and what was counted since its
    vrrp-agent started.""",
    examples=(
        ("vipbus vrrp show", "every instance on every router"),
        ("vipbus vrrp show VI_1 --router lb1", ""),
    ),
    statuses={
        0: "every router answered",
        2: "there is no such instance",
        3: "not every router answered",
    },
)
@click.option("--router", type=ROUTER, metavar="ROUTER", help="Only this router's.")
@as_json("A JSON array, one VrrpReport a router.", "vipbus.contracts:VrrpReport", "array")
@click.argument("instance", type=INSTANCE, required=False, metavar="[INSTANCE]")
@common
def show(at: At, instance: str | None, router: str | None, *, as_json: bool) -> int:
    """Print what the vrrp-agents say."""
    from ctl.vrrp_show import main  # noqa: PLC0415

    return main(bus=at.bus, state_dir=at.state_dir, instance=instance, router=router, as_json=as_json)
