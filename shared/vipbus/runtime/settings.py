"""What every service is told on its command line or by its environment, and nothing else.

An option ``--state-dir`` may also come as ``VIPBUS_STATE_DIR``; the command line wins.
"""

from __future__ import annotations

import socket
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


def listen_address(text: str) -> ListenAddress:
    """Read ``HOST:PORT``; an IPv6 host stands in brackets.

    Raises:
        ValueError: it is no such thing.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} is not HOST:PORT")
    return ListenAddress(host.strip("[]"), int(port))


def bus_url(text: str) -> str | None:
    """Read a NATS server's URL, ``HOST``, ``HOST:PORT`` or whole; empty is none given.

    Raises:
        ValueError: it is no such thing. It may hold a password and is not repeated.
    """
    if not text:
        return None
    try:
        parts = urlsplit(text if "://" in text else f"nats://{text}")
        sound = parts.scheme in ("nats", "tls") and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    if not sound or any(letter.isspace() or letter == "," for letter in text):
        raise ValueError("this is no NATS URL; write one server as nats://HOST:PORT")
    return text


def default_router() -> str:
    """Name a router after its host, as keepalived names router_id."""
    return socket.gethostname()
