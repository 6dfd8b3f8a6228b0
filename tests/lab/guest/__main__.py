"""``python -m tests.lab.guest [--seconds N] [--memory M] -- COMMAND``: run a command where IPVS is."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Mapping
from types import FrameType

from tests.lab.guest import boot, direct
from tests.lab.guest.kernel import GuestError

_KEPT = ("PATH", "VIRTUAL_ENV", "HOME", "CI", "TERM", "COLUMNS", "VIPBUS_LAB_ARTIFACTS")


def environment(outside: Mapping[str, str]) -> dict[str, str]:
    """Make the command's environment: little of ours, so that a run is the same everywhere."""
    kept = {name: outside[name] for name in _KEPT if name in outside}
    path = ":".join([kept.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    return {**kept, "PATH": path, "LC_ALL": "C.UTF-8", "PYTHONUNBUFFERED": "1", "VIPBUS_LAB_GUEST": "1"}


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="tests.lab.guest", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=1500.0, help="end it after this time (default %(default)g)"
    )
    parser.add_argument("--memory", default="2048M", help="of a guest (default %(default)s)")
    parser.add_argument(
        "--tap",
        action="append",
        default=[],
        help="a tap device of this machine that a guest has as vec0, vec1..",
    )
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    arguments = parser.parse_args()

    def end(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)  # so that `finally` ends the guest

    signal.signal(signal.SIGTERM, end)
    try:
        if not arguments.tap and not direct.why_not():
            return direct.run(arguments.command, environment(os.environ), seconds=arguments.seconds)
        return boot.run(
            arguments.command,
            environment(os.environ),
            seconds=arguments.seconds,
            memory=arguments.memory,
            taps=arguments.tap,
        )
    except BrokenPipeError:
        # whoever read has enough (| head); the interpreter must not try to flush at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except GuestError as error:
        print(f"no guest: {error}", file=sys.stderr)
        return boot.EXIT_NO_STATUS


if __name__ == "__main__":
    sys.exit(main())
