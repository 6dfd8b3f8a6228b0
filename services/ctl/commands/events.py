"""``vipbus events``."""

from __future__ import annotations

import click

from ctl.cli import command
from ctl.parameters import SUBJECT, At, as_json, common


@command(
    "replay and follow what happened",
    """Print the history, oldest first, one line an event, and with --follow what comes. SUBJECT may leave out
    "vipbus.": state.health.>, state.role.router-a.>, event.config.""",
    examples=(
        ("vipbus events --follow", "everything that happens, as it happens"),
        ("vipbus events state.role", "who was active when"),
        ("vipbus events --json 'state.health.>' | jq .data", ""),
    ),
    statuses={
        0: "all that is kept was printed",
        2: "SUBJECT can match nothing",
        3: "the bus does not answer",
    },
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes.")
@as_json("CloudEvents, one JSON object a line.", "ctl.answers:CloudEvent", "lines")
@click.argument("subject", type=SUBJECT, default="vipbus.>", metavar="[SUBJECT]")
@common
def events(at: At, subject: str, *, follow: bool, as_json: bool) -> int:
    """Print the events."""
    from ctl.events import main  # noqa: PLC0415

    return main(bus=at.bus, state_dir=at.state_dir, subject=subject, follow=follow, as_json=as_json)
