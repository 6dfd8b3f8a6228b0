"""The ``vipbus`` command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ctl.operate_options import add_operate
from ctl.plan_options import PLAN, add_plan
from ctl.probe_options import PROBE, add_probe
from ctl.table_options import TABLE, add_table
from ctl.vrrp_options import HANDOVER, add_handover, add_vrrp
from vipbus import __version__
from vipbus.runtime.settings import add_common_options, listen_address


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    arguments = _parser().parse_args(argv)
    action: Callable[[argparse.Namespace], int] = arguments.action
    try:
        return action(arguments)
    except BrokenPipeError:
        # whoever read has enough (| head); the interpreter must not try to flush at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vipbus", description="A Linux load balancer whose parts talk through a message bus."
    )
    parser.add_argument("--version", action="version", version=f"vipbus {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="run one router in the foreground", description=_RUN))
    _add_status(commands.add_parser("status", help="show what works and what does not", description=_STATUS))
    _add_events(commands.add_parser("events", help="replay and follow what happened", description=_EVENTS))
    add_handover(
        commands.add_parser(
            "handover", help="leave an instance's role to another router", description=HANDOVER
        )
    )
    add_probe(commands.add_parser("probe", help="run checks now and show each step", description=PROBE))
    add_table(commands.add_parser("table", help="the table with verdicts and rates", description=TABLE))
    add_plan(commands.add_parser("plan", help="what would change in the table", description=PLAN))
    add_operate(commands)
    vrrp = commands.add_parser("vrrp", help="look into the election")
    add_vrrp(vrrp.add_subparsers(required=True, metavar="COMMAND"))
    config = commands.add_parser("config", help="check or reload a configuration")
    _add_config(config.add_subparsers(required=True, metavar="COMMAND"))
    return parser


_RUN = """Run one router: an embedded nats-server (unless --bus names another), config-service, vrrp-agent,
health-prober and ipvs-programmer, each a process of its own that is started again when it dies. SIGHUP reads
FILE again, SIGTERM stops in order. Exit status 1: something on this machine is missing; 2: FILE is wrong."""
_STATUS = """Show routers, instances, virtual servers, real servers, services and the bus.
Exit status 0: everything is ready; 3: it is not, and the last lines say what and what to do."""
_EVENTS = """Print the history, oldest first, one line an event, and with --follow what comes.
SUBJECT may leave out "vipbus.": state.health.>, state.role.router-a.>, event.config."""


def _add_run(parser: argparse.ArgumentParser) -> None:
    add_common_options(parser)
    parser.add_argument("-f", "--file", type=Path, required=True, metavar="FILE", help="a keepalived.conf")
    parser.add_argument(
        "--router",
        default=os.environ.get("VIPBUS_ROUTER") or None,
        metavar="NAME",
        help="this router's name (default: router_id of the file, else the host's name)",
    )
    parser.add_argument(
        "--standby",
        choices=("clear", "warm"),
        default="clear",
        help="what the kernel's table holds while an instance is backup (default %(default)s)",
    )
    parser.add_argument(
        "--bus-port",
        type=_port,
        default=4222,
        metavar="N",
        help="loopback port of the embedded bus (default %(default)s)",
    )
    parser.add_argument(
        "--metrics",
        default="127.0.0.1:9490",
        metavar="HOST:PORT",
        help="the services answer /metrics and /ready here and on the 3 ports after it; default %(default)s, "
        "off is not at all",
    )
    parser.set_defaults(action=_run)


def _add_status(parser: argparse.ArgumentParser) -> None:
    add_common_options(parser)
    parser.add_argument("--json", action="store_true", help="the whole report as one JSON document")
    parser.set_defaults(action=_status)


def _add_events(parser: argparse.ArgumentParser) -> None:
    add_common_options(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what comes")
    parser.add_argument("--json", action="store_true", help="CloudEvents, one JSON object a line")
    parser.add_argument(
        "subject", nargs="?", default="vipbus.>", metavar="SUBJECT", help="(default %(default)s)"
    )
    parser.set_defaults(action=_events)


def _add_config(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    check = commands.add_parser("check", help="check a file; exit status 0, or 2 with file:line: reason")
    check.add_argument("file", metavar="FILE")
    check.add_argument("--router", metavar="NAME")
    check.set_defaults(action=_check)
    reload = commands.add_parser(
        "reload", help="read the running configuration again; exit status 2 if it is refused, 3 without a bus"
    )
    add_common_options(reload)
    reload.add_argument("--router", metavar="NAME", help="only this router's (default: all that are served)")
    reload.set_defaults(action=_reload)


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no port (1 to 65535)")
    return int(text)


# Each command imports what it needs and no more: `run` stays small, `status` starts fast.


def _run(arguments: argparse.Namespace) -> int:
    from ctl import run  # noqa: PLC0415
    from ctl.children import RunSettings  # noqa: PLC0415

    try:
        metrics = None if arguments.metrics == "off" else listen_address(arguments.metrics)
    except argparse.ArgumentTypeError as error:
        print(f"vipbus run: --metrics: {error}, nor off", file=sys.stderr)
        return 2
    if metrics is not None and metrics.port > 65532:
        print("vipbus run: --metrics: there must be 3 ports after it; choose at most 65532", file=sys.stderr)
        return 2
    return run.main(
        RunSettings(
            file=arguments.file.absolute(),
            router=arguments.router,
            state_dir=arguments.state_dir.absolute(),
            bus=arguments.bus,
            log=arguments.log,
            standby=arguments.standby,
            bus_port=arguments.bus_port,
            metrics=metrics,
        )
    )


def _status(arguments: argparse.Namespace) -> int:
    from ctl import status  # noqa: PLC0415

    return status.main(bus=arguments.bus, state_dir=arguments.state_dir, as_json=arguments.json)


def _events(arguments: argparse.Namespace) -> int:
    from ctl import events  # noqa: PLC0415

    return events.main(
        bus=arguments.bus,
        state_dir=arguments.state_dir,
        subject=arguments.subject,
        follow=arguments.follow,
        as_json=arguments.json,
    )


def _check(arguments: argparse.Namespace) -> int:
    from ctl.children import python_module  # noqa: PLC0415

    named = ("--router", arguments.router) if arguments.router else ()
    command = python_module("config_service", "check", arguments.file, *named)
    sys.stdout.flush()
    os.execv(command[0], command)  # noqa: S606  # this process becomes the check


def _reload(arguments: argparse.Namespace) -> int:
    from ctl import reload  # noqa: PLC0415

    return reload.main(bus=arguments.bus, state_dir=arguments.state_dir, router=arguments.router)


if __name__ == "__main__":
    sys.exit(main())
