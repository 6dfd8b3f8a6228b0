"""What the kernel counts for services and destinations, as values."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ipvs_programmer.table import Counts, DestinationKey


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """What comes in a second: the kernel's own estimate over the last seconds (ip_vs_est.c)."""

    connections: int = 0
    packets_in: int = 0
    packets_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """What came since the service or destination was made, or its counters were zeroed.

    The kernel adds up every two seconds (ip_vs_est.c), so it may be that old.
    """

    connections: int = 0
    """Connections scheduled."""
    packets_in: int = 0
    packets_out: int = 0
    """Only NAT sends replies through the router; of DR and TUN this stays 0."""
    bytes_in: int = 0
    bytes_out: int = 0
    rates: Rates = Rates()


class DestinationStatistics(msgspec.Struct, frozen=True):
    """A destination's connections now, and what came to it."""

    counts: Counts
    statistics: Statistics


class PoolStatistics(msgspec.Struct, frozen=True):
    """What came to a service and to each of its destinations."""

    service: Statistics
    destinations: Mapping[DestinationKey, DestinationStatistics] = {}
