"""``vipbus server``: one real server more, one less, or one with another weight."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import click

from ctl.cli import command, group
from ctl.commands.operate import whoever
from ctl.commands.revisions import changing
from ctl.parameters import REAL_SERVER, VIRTUAL_SERVER, At, as_json, common

server = group(
    "add, remove or weigh one real server",
    {
        "add": "ctl.commands.server:add",
        "remove": "ctl.commands.server:remove",
        "set-weight": "ctl.commands.server:set_weight",
    },
)

_STATUSES = {
    0: "done; with --wait every process that works from it holds it",
    2: "there is no such virtual or real server, or it is refused",
    3: "the bus or config-service does not answer, or with --wait it is not held everywhere in time",
}
_STAYS = """ It is a revision of its own, and stays over restarts and reloads until the router's own file says
something new. VIRTUAL-SERVER is ADDRESS:PORT, 'FWM MARK', a group's name or a token; every router that has it
does it."""


def _options(function: Callable[..., int]) -> Callable[..., int]:
    made = common(as_json("One ConfigAnswer.", "ctl.answers:ConfigAnswer")(changing(function)))
    made = click.argument("real_server", type=REAL_SERVER, metavar="REAL-SERVER")(made)
    return click.argument("virtual_server", type=VIRTUAL_SERVER, metavar="VIRTUAL-SERVER")(made)


_WEIGHT = click.IntRange(0, 2**31 - 1)


@command(
    "add a real server to a pool",
    "Add REAL-SERVER to the pool. Its checks and settings are those of the first one that is there." + _STAYS,
    examples=(
        ("vipbus server add 10.9.0.1:80 10.9.0.24:80 --weight 2 --wait", ""),
        ("vipbus server add 10.9.0.1:80 10.9.0.24:80 --like 10.9.0.23:80", ""),
    ),
    statuses=_STATUSES,
)
@_options
@click.option("--weight", type=_WEIGHT, metavar="N", help="Its weight (default: as the one that it is like).")
@click.option(
    "--like",
    type=REAL_SERVER,
    default="",
    metavar="REAL-SERVER",
    help="The one of the pool whose checks and settings it gets (default: the first).",
)
def add(
    *,
    at: At,
    virtual_server: str,
    real_server: str,
    weight: int | None,
    like: str,
    router: str | None,
    within: float,
    why: str,
    by: str | None,
    wait: bool,
    as_json: bool,
) -> int:
    """Add a real server."""
    said = _Said("add", virtual_server, real_server, weight, like)
    return said.do(at, router, within if wait else 0.0, (by, why), as_json=as_json)


@command(
    "take a real server out of a pool",
    "Take REAL-SERVER out of the pool; its connections end as its virtual server's drain_timeout says."
    + _STAYS,
    examples=(("vipbus server remove 10.9.0.1:80 10.9.0.24:80 --why 'returned to the shop'", ""),),
    statuses=_STATUSES,
)
@_options
def remove(
    *,
    at: At,
    virtual_server: str,
    real_server: str,
    router: str | None,
    within: float,
    why: str,
    by: str | None,
    wait: bool,
    as_json: bool,
) -> int:
    """Remove a real server."""
    said = _Said("remove", virtual_server, real_server)
    return said.do(at, router, within if wait else 0.0, (by, why), as_json=as_json)


@command(
    "give a real server another weight",
    "Give REAL-SERVER another weight in the pool; 0 sends it no new connections." + _STAYS,
    examples=(("vipbus server set-weight 10.9.0.1:80 10.9.0.24:80 5", ""),),
    statuses=_STATUSES,
)
@_options
@click.argument("weight", type=_WEIGHT, metavar="WEIGHT")
def set_weight(
    *,
    at: At,
    virtual_server: str,
    real_server: str,
    weight: int,
    router: str | None,
    within: float,
    why: str,
    by: str | None,
    wait: bool,
    as_json: bool,
) -> int:
    """Set a weight."""
    said = _Said("set-weight", virtual_server, real_server, weight)
    return said.do(at, router, within if wait else 0.0, (by, why), as_json=as_json)


class _Said:
    """What was said, as it is asked for."""

    def __init__(
        self,
        verb: Literal["add", "remove", "set-weight"],
        virtual_server: str,
        real_server: str,
        weight: int | None = None,
        like: str = "",
    ) -> None:
        self._verb: Literal["add", "remove", "set-weight"] = verb
        self._names = virtual_server, real_server
        self._weight, self._like = weight, like

    def do(
        self, at: At, router: str | None, wait: float, said: tuple[str | None, str], *, as_json: bool
    ) -> int:
        from ctl import revision_change  # noqa: PLC0415
        from ctl.output import complain  # noqa: PLC0415
        from vipbus.contracts.config_commands import ChangeServer  # noqa: PLC0415

        by, why = said
        if not all(name.strip() for name in self._names):
            return complain(f"server {self._verb}", "an empty name names nothing", 2)
        asked = ChangeServer(
            verb=self._verb,
            virtual_server=self._names[0],
            real_server=self._names[1],
            weight=self._weight,
            like=self._like,
            by=whoever() if by is None else by,
            why=why,
        )
        return revision_change.server(
            bus=at.bus, state_dir=at.state_dir, router=router, asked=asked, wait=wait, as_json=as_json
        )
