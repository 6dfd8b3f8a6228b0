"""The options of ``vipbus drain``, ``vipbus disable`` and ``vipbus enable``."""

from __future__ import annotations

import argparse
import getpass
import os
import socket

from ctl.vrrp_options import seconds
from vipbus.contracts import OperatorStateName
from vipbus.runtime.settings import add_common_options

_EXIT = """Wait until every router's table has it so. Exit status 0: done; 2: there is no such real server, or
config-service refused; 3: nobody answered, or some router's table does not have it so yet."""
_ALSO = "It outranks the verdicts of the checks and holds, over every restart, until `vipbus enable`. "
_SAID: dict[str, tuple[OperatorStateName | None, str, str]] = {
    "drain": (
        "drain",
        "send a real server no new connections",
        "Give REAL-SERVER weight 0: new connections go elsewhere, established ones go on. " + _ALSO,
    ),
    "disable": (
        "disable",
        "take a real server out of the table",
        "Take REAL-SERVER out of the table, and its connections with it. " + _ALSO,
    ),
    "enable": (
        None,
        "have a real server follow its verdicts again",
        "Take back `vipbus drain` or `vipbus disable`: REAL-SERVER follows its verdicts again. ",
    ),
}


def add_operate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Give ``vipbus`` the three commands."""
    for name, (state, help_line, description) in _SAID.items():
        parser = commands.add_parser(name, help=help_line, description=description + _EXIT)
        add_common_options(parser)
        parser.add_argument("real_server", metavar="REAL-SERVER", help="ADDRESS:PORT, or its token")
        parser.add_argument(
            "--virtual-server",
            metavar="VS",
            help="only in the pool of this one: 'ADDRESS:PORT TCP', 'FWM MARK', its token, or the name of a "
            "group, which means all of its virtual servers (default: in every pool)",
        )
        parser.add_argument("--why", default="", metavar="TEXT", help="the reason, for whoever asks later")
        parser.add_argument("--by", metavar="NAME", help="who says so (default: the login name and host)")
        parser.add_argument(
            "--wait",
            type=seconds,
            default=5.0,
            metavar="SECONDS",
            help="how long the routers' tables are waited for, 0 is not at all (default %(default)g)",
        )
        parser.set_defaults(action=_operate, verb=name, state=state)


def whoever() -> str:
    """Name who runs this: ``ann@lb1``."""
    try:
        login = getpass.getuser()
    except (KeyError, OSError):
        login = f"uid {os.getuid()}"  # a container's user often has no name
    return f"{login}@{socket.gethostname()}"


def _operate(arguments: argparse.Namespace) -> int:
    from ctl import operate  # noqa: PLC0415
    from vipbus.contracts import Operate  # noqa: PLC0415

    return operate.main(
        bus=arguments.bus,
        state_dir=arguments.state_dir,
        verb=arguments.verb,
        asked=Operate(
            real_server=arguments.real_server,
            virtual_server=arguments.virtual_server,
            state=arguments.state,
            by=whoever() if arguments.by is None else arguments.by,
            why=arguments.why,
        ),
        wait=arguments.wait,
    )
