"""``vipbus top``."""

from __future__ import annotations

from ctl.cli import command
from ctl.parameters import At, common


@command(
    "routers, pools, rates, verdicts and events, live",
    """Show the routers and their roles, every pool with its rates, the real servers of the chosen pool with
    their verdicts, and what happens, as it happens. A bus that is away is said, and waited for.

    Keys: tab and shift-tab (or left and right) go from pane to pane; up, down, page up, page down, home and
    end choose a row; space or p holds the picture; / shows only rows with a word in them (enter keeps it, esc
    takes it away); q ends.""",
    examples=(
        ("vipbus top", ""),
        ("vipbus top --bus nats://10.9.0.5:4222", "from a host that is no router"),
    ),
    statuses={0: "it was ended", 2: "there is no terminal"},
)
@common
def top(at: At) -> int:
    """Draw until the end."""
    from ctl.top.command import main  # noqa: PLC0415

    return main(bus=at.bus, state_dir=at.state_dir)
