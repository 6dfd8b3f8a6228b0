"""``vipbus status``."""

from __future__ import annotations

from ctl.cli import command
from ctl.parameters import At, as_json, common


@command(
    "show what works and what does not",
    "Show routers, instances, virtual servers, proxies, pools, real servers, services and the bus.",
    examples=(
        ("vipbus status", ""),
        ("vipbus status --json | jq -r '.not_ready[]'", "only what does not work"),
    ),
    statuses={
        0: "everything is ready",
        3: "it is not, and the last lines say what and what to do",
    },
)
@as_json("The whole report as one JSON document.", "ctl.report:Report")
@common
def status(at: At, *, as_json: bool) -> int:
    """Print the report."""
    from ctl.status import main  # noqa: PLC0415

    return main(bus=at.bus, state_dir=at.state_dir, as_json=as_json)
