"""A service's command line: what `vipbus.runtime.settings` describes, read by argparse.

An option ``--state-dir`` may also come as ``VIPBUS_STATE_DIR``; the command line wins.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from vipbus.runtime.settings import DEFAULT_STATE_DIR, Settings, bus_url, listen_address


def service_parser(
    service: str, description: str, environ: Mapping[str, str] = os.environ
) -> argparse.ArgumentParser:
    """Make a service's argument parser, with the options that all of them have."""
    parser = argparse.ArgumentParser(prog=service, description=description)
    _add_common_options(parser, environ)
    parser.add_argument(
        "--router",
        default=environ.get("VIPBUS_ROUTER") or None,
        metavar="NAME",
        help="the router this process belongs to",
    )
    parser.add_argument(
        "--listen",
        type=_argument(listen_address),
        default=environ.get("VIPBUS_LISTEN") or None,
        metavar="HOST:PORT",
        help="answer /ready and /metrics here (default: not at all)",
    )
    return parser


def one_of(*choices: str) -> Callable[[str], str]:
    """Check a value as a type: argparse looks at no default from the environment with ``choices``."""

    def check(text: str) -> str:
        if text not in choices:
            raise argparse.ArgumentTypeError(f"{text!r} is not {' or '.join(choices)}")
        return text

    return check


def seconds(least: float, most: float) -> Callable[[str], float]:
    """Read a time between two bounds, in seconds."""

    def read(text: str) -> float:
        try:
            found = float(text)
        except ValueError:
            found = -1.0
        if not least <= found <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from {least:g} to {most:g}")
        return found

    return read


def whole(least: int, most: int) -> Callable[[str], int]:
    """Read a whole number between two bounds."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} to {most}")
        return int(text)

    return read


def settings_from(arguments: argparse.Namespace) -> Settings:
    """Take the common settings out of parsed arguments."""
    listen = arguments.listen
    return Settings(
        router=arguments.router,
        state_dir=arguments.state_dir,
        bus=arguments.bus,
        log=arguments.log,
        listen=listen_address(listen) if isinstance(listen, str) else listen,
    )


def _add_common_options(parser: argparse.ArgumentParser, environ: Mapping[str, str] = os.environ) -> None:
    parser.add_argument(
        "--state-dir",
        type=Path,
        default=Path(environ.get("VIPBUS_STATE_DIR", DEFAULT_STATE_DIR)),
        metavar="DIR",
        help="where state that survives a restart is kept (default %(default)s)",
    )
    parser.add_argument(
        "--bus",
        type=_argument(bus_url),
        default=environ.get("VIPBUS_BUS") or None,
        metavar="URL",
        help="a NATS server to use instead of the embedded one",
    )
    parser.add_argument(
        "--log",
        choices=("line", "json"),
        default=environ.get("VIPBUS_LOG", "line"),
        help="how log lines look (default %(default)s)",
    )


def _argument(read: Callable[[str], object]) -> Callable[[str], object]:
    """Have argparse print what is wrong: of a bare ValueError it prints the value, which may be a secret."""

    def checked(text: str) -> object:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return checked
