"""What every service is told on its command line or by its environment, and nothing else.

An option ``--state-dir`` may also come as ``VIPBUS_STATE_DIR``; the command line wins.
"""

from __future__ import annotations

import argparse
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from vipbus.telemetry.logs import LogFormat

DEFAULT_STATE_DIR = Path("/var/lib/vipbus")


class ListenAddress(msgspec.Struct, frozen=True):
    """Where a service answers ``/ready`` and ``/metrics``."""

    host: str
    port: int


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings that every service has."""

    router: str | None
    """The router this service belongs to; None for one that serves all of them."""
    state_dir: Path
    bus: str | None
    """A NATS URL; None: the embedded bus that the state directory tells of."""
    log: LogFormat
    listen: ListenAddress | None
    """For ``/ready`` and ``/metrics``; None: not at all."""


def add_common_options(parser: argparse.ArgumentParser, environ: Mapping[str, str] = os.environ) -> None:
    """Add the options of `Settings` to a parser."""
    parser.add_argument(
        "--state-dir",
        type=Path,
        default=Path(environ.get("VIPBUS_STATE_DIR", DEFAULT_STATE_DIR)),
        metavar="DIR",
        help="where state that survives a restart is kept (default %(default)s)",
    )
    parser.add_argument(
        "--bus",
        type=bus_url,
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


def service_parser(
    service: str, description: str, environ: Mapping[str, str] = os.environ
) -> argparse.ArgumentParser:
    """Make a service's argument parser, with the options that all of them have."""
    parser = argparse.ArgumentParser(prog=service, description=description)
    add_common_options(parser, environ)
    parser.add_argument(
        "--router",
        default=environ.get("VIPBUS_ROUTER") or None,
        metavar="NAME",
        help="the router this process belongs to",
    )
    parser.add_argument(
        "--listen",
        type=listen_address,
        default=environ.get("VIPBUS_LISTEN") or None,
        metavar="HOST:PORT",
        help="answer /ready and /metrics here (default: not at all)",
    )
    return parser


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


def listen_address(text: str) -> ListenAddress:
    """Read ``HOST:PORT``; an IPv6 host stands in brackets.

    Raises:
        argparse.ArgumentTypeError: it is no such thing.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return ListenAddress(host.strip("[]"), int(port))


def bus_url(text: str) -> str | None:
    """Read a NATS server's URL, ``HOST``, ``HOST:PORT`` or whole; empty is none given.

    Raises:
        argparse.ArgumentTypeError: it is no such thing. It may hold a password and is not repeated.
    """
    if not text:
        return None
    try:
        parts = urlsplit(text if "://" in text else f"nats://{text}")
        sound = parts.scheme in ("nats", "tls") and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    if not sound or any(letter.isspace() or letter == "," for letter in text):
        raise argparse.ArgumentTypeError("this is no NATS URL; write one server as nats://HOST:PORT")
    return text


def default_router() -> str:
    """Name a router after its host, as keepalived names router_id."""
    return socket.gethostname()
