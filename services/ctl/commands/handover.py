"""``vipbus handover``."""

from __future__ import annotations

import click

from ctl.cli import command
from ctl.parameters import INSTANCE, ROUTER, SECONDS, At, as_json, common


@command(
    "leave an instance's role to another router",
    """Have the active router of INSTANCE leave its role to another router without a gap, and wait until that
    one is active. A sync group goes as a whole.""",
    examples=(
        ("vipbus handover VI_1", "before maintenance of the active router"),
        ("vipbus handover VI_1 --to lb2", ""),
    ),
    statuses={
        0: "done",
        2: "there is no such instance or router",
        3: "it is not done, nobody answered or nobody followed, and the last line says what to do",
    },
)
@click.option("--to", type=ROUTER, metavar="ROUTER", help="Who is to follow (default: whoever is next).")
@click.option(
    "--wait",
    type=SECONDS,
    default="10",
    show_default=True,
    metavar="SECONDS",
    help="How long a successor is waited for, 0 is not at all.",
)
@as_json("One HandoverAnswer, when it is done or given up.", "ctl.answers:HandoverAnswer")
@click.argument("instance", type=INSTANCE, metavar="INSTANCE")
@common
def handover(at: At, instance: str, to: str | None, wait: float, *, as_json: bool) -> int:
    """Hand a role over."""
    from ctl.handover import main  # noqa: PLC0415

    return main(bus=at.bus, state_dir=at.state_dir, instance=instance, to=to, wait=wait, as_json=as_json)
