"""Who is let in at a proxy, and how often."""

from __future__ import annotations

from typing import Annotated

import msgspec

from vipbus.contracts.limits import check_address, check_prefix
from vipbus.contracts.proxy_rules import ErrorStatus

_Many = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]


class ClientLimit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one client address may have of a proxy (configuration.txt, ``stick-table``)."""

    rate: _Many | None = None
    """Requests, in mode tcp connections, in `period`."""
    period: Annotated[int, msgspec.Meta(ge=1, le=24 * 3600)] = 10
    """Seconds, of which the last ones count."""
    status: ErrorStatus = 429
    """What a request beyond the rate is answered; a connection is closed."""
    connections: _Many | None = None
    """At the same time; more are closed."""
    size: Annotated[int, msgspec.Meta(ge=100, le=10_000_000)] = 100_000
    """Clients that are remembered."""

    def __post_init__(self) -> None:
        if self.rate is None and self.connections is None:
            raise ValueError("a limit has a rate, connections or both")


def check_network(network: str) -> None:
    """Refuse what is neither an address nor ``ADDRESS/LENGTH``.

    Raises:
        ValueError: it is neither; decoding makes a ValidationError of it.
    """
    (check_prefix if "/" in network else check_address)(network)
