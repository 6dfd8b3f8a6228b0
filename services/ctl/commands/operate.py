"""``vipbus drain``, ``vipbus disable`` and ``vipbus enable``: what an operator says of a real server."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ctl.cli import command
from ctl.parameters import REAL_SERVER, SECONDS, VIRTUAL_SERVER, At, as_json, common

if TYPE_CHECKING:
    from vipbus.contracts import OperatorStateName

_STATUSES = {
    0: "every router's table has it so",
    2: "there is no such real server, or config-service refused",
    3: "nobody answered, or some router's table does not have it so yet",
}
_NAMED = """

REAL-SERVER is ADDRESS:PORT, or its token."""
_HOLDS = (
    "It outranks the verdicts of the checks and holds, over every restart, until `vipbus enable`. "
    "Wait until every router's table has it so." + _NAMED
)


def _options(function: Callable[..., int]) -> Callable[..., int]:
    made = common(function)
    for option in (
        as_json("One OperateAnswer, when it is done or given up.", "ctl.answers:OperateAnswer"),
        click.option(
            "--wait",
            type=SECONDS,
            default="5",
            show_default=True,
            metavar="SECONDS",
            help="How long the routers' tables are waited for, 0 is not at all.",
        ),
        click.option("--by", metavar="NAME", help="Who says so (default: the login name and host)."),
        click.option("--why", default="", metavar="TEXT", help="The reason, for whoever asks later."),
        click.option(
            "--virtual-server",
            type=VIRTUAL_SERVER,
            metavar="VS",
            help="Only in the pool of this one: 'ADDRESS:PORT TCP', 'FWM MARK', its token, 'pool NAME', or "
            "the name of a group, which means all of its virtual servers (default: in every pool).",
        ),
        click.argument("real_server", type=REAL_SERVER, metavar="REAL-SERVER"),
    ):
        made = option(made)
    return made


@command(
    "send a real server no new connections",
    "Give REAL-SERVER weight 0: new connections go elsewhere, established ones go on. " + _HOLDS,
    examples=(
        ("vipbus drain 10.9.0.21:80 --why 'kernel update'", "in every pool"),
        ("vipbus drain 10.9.0.21:80 --virtual-server '10.9.0.1:80 TCP'", "in one"),
    ),
    statuses=_STATUSES,
)
@_options
def drain(**said: Any) -> int:
    """Drain a real server."""
    return _operate("drain", "drain", **said)


@command(
    "take a real server out of the table",
    "Take REAL-SERVER out of the table, and its connections with it. " + _HOLDS,
    examples=(("vipbus disable 10.9.0.21:80 --why 'disk is dying'", ""),),
    statuses=_STATUSES,
)
@_options
def disable(**said: Any) -> int:
    """Disable a real server."""
    return _operate("disable", "disable", **said)


@command(
    "have a real server follow its verdicts again",
    "Take back `vipbus drain` or `vipbus disable`: REAL-SERVER follows its verdicts again. Wait until every "
    "router's table has it so." + _NAMED,
    examples=(("vipbus enable 10.9.0.21:80", ""),),
    statuses=_STATUSES,
)
@_options
def enable(**said: Any) -> int:
    """Enable a real server."""
    return _operate("enable", None, **said)


def whoever() -> str:
    """Name who runs this: ``ann@lb1``."""
    try:
        login = getpass.getuser()
    except (KeyError, OSError):
        login = f"uid {os.getuid()}"  # a container's user often has no name
    return f"{login}@{socket.gethostname()}"


def _operate(
    verb: str,
    state: OperatorStateName | None,
    *,
    at: At,
    real_server: str,
    virtual_server: str | None,
    why: str,
    by: str | None,
    wait: float,
    as_json: bool,
) -> int:
    from ctl.operate import main  # noqa: PLC0415
    from vipbus.contracts import Operate  # noqa: PLC0415

    return main(
        bus=at.bus,
        state_dir=at.state_dir,
        verb=verb,
        asked=Operate(
            real_server=real_server,
            virtual_server=virtual_server,
            state=state,
            by=whoever() if by is None else by,
            why=why,
        ),
        wait=wait,
        as_json=as_json,
    )
