"""The options of the commands about the election: ``vipbus handover`` and ``vipbus vrrp``."""

from __future__ import annotations

import argparse

from vipbus.runtime.settings import add_common_options

HANDOVER = """Have the active router of INSTANCE leave its role to another router without a gap, and wait
until that one is active. A sync group goes as a whole. Exit status 0: done; 2: there is no such instance or
router; 3: it is not done, nobody answered or nobody followed, and the last line says what to do."""
_SHOW = """Show each router's instances: role, priority, what is tracked, and what was counted since its
vrrp-agent started. Exit status 0; 2: there is no such instance; 3: not every router answered."""


def add_handover(parser: argparse.ArgumentParser) -> None:
    """Give ``vipbus handover`` its options."""
    add_common_options(parser)
    parser.add_argument("instance", metavar="INSTANCE")
    parser.add_argument("--to", metavar="ROUTER", help="who is to follow (default: whoever is next)")
    parser.add_argument(
        "--wait",
        type=seconds,
        default=10.0,
        metavar="SECONDS",
        help="how long a successor is waited for, 0 is not at all (default %(default)g)",
    )
    parser.set_defaults(action=_handover)


def add_vrrp(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Give ``vipbus vrrp`` its commands."""
    show = commands.add_parser("show", help="what the instances do and have counted", description=_SHOW)
    add_common_options(show)
    show.add_argument("instance", nargs="?", metavar="INSTANCE", help="only this one")
    show.add_argument("--router", metavar="ROUTER", help="only this router's")
    show.add_argument("--json", action="store_true", help="a JSON array, one VrrpReport a router")
    show.set_defaults(action=_show)


def seconds(text: str) -> float:
    """Read a time to wait from the command line."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is no time (0 to 3600 seconds)")
    return seconds


def _handover(arguments: argparse.Namespace) -> int:
    from ctl import handover  # noqa: PLC0415

    return handover.main(
        bus=arguments.bus,
        state_dir=arguments.state_dir,
        instance=arguments.instance,
        to=arguments.to,
        wait=arguments.wait,
    )


def _show(arguments: argparse.Namespace) -> int:
    from ctl import vrrp_show  # noqa: PLC0415

    return vrrp_show.main(
        bus=arguments.bus,
        state_dir=arguments.state_dir,
        instance=arguments.instance,
        router=arguments.router,
        as_json=arguments.json,
    )
