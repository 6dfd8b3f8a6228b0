"""What goes through the table, made of one or two reads of the kernel's counters. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from vipbus.contracts.table_commands import DestinationTraffic, PoolTraffic, Traffic


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """What comes in a second."""

    connections: float
    packets_in: float
    packets_out: float
    bytes_in: float
    bytes_out: float


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """What goes through a virtual server or to a real server."""

    active: int
    """Connections now; of TCP: established."""
    inactive: int
    persistent: int
    connections: int
    """Scheduled since the counters began; so are the next four."""
    packets_in: int
    packets_out: int
    bytes_in: int
    bytes_out: int
    rates: Rates | None
    """None: not known, since the counters began anew between two reads."""


def flows(now: PoolTraffic, before: PoolTraffic | None, *, two: bool) -> dict[tuple[str, int], Flow]:
    """Say what goes to each real server; ``two``: rates come of two reads, also where one was not there."""
    earlier = {(each.address, each.port): each for each in before.destinations} if before is not None else {}
    seconds = now.at - before.at if before is not None else 0.0
    flows = {}
    for each in now.destinations:
        place = each.address, each.port
        rates = _rates(earlier[place].traffic if place in earlier else None, each.traffic, seconds, two=two)
        flows[place] = _flow(each, each.traffic, rates)
    return flows


def whole(now: PoolTraffic, before: PoolTraffic | None, parts: Iterable[Flow], *, two: bool) -> Flow:
    """Say what goes through a virtual server whose real servers have these parts of it."""
    parts = tuple(parts)
    seconds = now.at - before.at if before is not None else 0.0
    rates = _rates(before.traffic if before is not None else None, now.traffic, seconds, two=two)
    counts = DestinationTraffic(
        address="",
        port=0,
        active=sum(part.active for part in parts),
        inactive=sum(part.inactive for part in parts),
        persistent=sum(part.persistent for part in parts),
    )
    return _flow(counts, now.traffic, rates)


def rates_between(before: Traffic, now: Traffic, seconds: float) -> Rates | None:
    """Make rates of two reads; None where a counter went back, or no time went by."""
    names = Rates.__struct_fields__
    came = {name: getattr(now, name) - getattr(before, name) for name in names}
    if seconds <= 0 or min(came.values()) < 0:
        return None
    return Rates(**{name: number / seconds for name, number in came.items()})


def _rates(before: Traffic | None, now: Traffic, seconds: float, *, two: bool) -> Rates | None:
    if two:
        return rates_between(before, now, seconds) if before is not None else None
    return Rates(
        connections=now.connections_rate,
        packets_in=now.packets_in_rate,
        packets_out=now.packets_out_rate,
        bytes_in=now.bytes_in_rate,
        bytes_out=now.bytes_out_rate,
    )


def _flow(counts: DestinationTraffic, counted: Traffic, rates: Rates | None) -> Flow:
    return Flow(
        active=counts.active,
        inactive=counts.inactive,
        persistent=counts.persistent,
        connections=counted.connections,
        packets_in=counted.packets_in,
        packets_out=counted.packets_out,
        bytes_in=counted.bytes_in,
        bytes_out=counted.bytes_out,
        rates=rates,
    )
