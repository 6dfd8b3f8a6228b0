"""Where the bus is: a URL the operator gave, or the embedded one that a state directory tells of."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import msgspec

FILE_NAME = "bus.json"
"""In the state directory, readable by its owner only: it holds the token."""


class BusAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A NATS URL and, for the embedded server, the token it asks for."""

    url: str
    token: str | None = None

    def __str__(self) -> str:
        """The URL without any secret, for people and logs."""
        return without_secret(self.url)

    def __repr__(self) -> str:
        """As `__str__`: a secret is never printed."""
        return f"BusAddress({self})"


class NoBusError(Exception):
    """No bus is known; the message says what to do."""


def without_secret(url: str) -> str:
    """Take user, password and token out of a URL."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def find(bus: str | None, state_dir: Path) -> BusAddress:
    """Find the bus: ``--bus URL`` if given, else what a router left in its state directory.

    Raises:
        NoBusError: neither is there, or the file is not what a router writes.
    """
    if bus:
        return BusAddress(url=bus)
    path = state_dir / FILE_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=BusAddress)
    except FileNotFoundError:
        raise NoBusError(
            f"no bus: {path} does not exist; start `vipbus run`, or give --state-dir DIR or --bus URL"
        ) from None
    except PermissionError:
        raise NoBusError(f"no bus: {path} is not readable; run as its owner or give --bus URL") from None
    except msgspec.MsgspecError as error:
        raise NoBusError(f"no bus: {path} is damaged ({error}); restart `vipbus run`") from None
