"""The command that looks at what goes through a router's proxies and pools."""

from __future__ import annotations

from typing import Annotated

import msgspec

from vipbus.contracts.limits import Counter, Port
from vipbus.contracts.table_commands import Count64


class ReadProxies(msgspec.Struct, frozen=True, kw_only=True):
    """Ask what goes through proxies and pools."""

    proxies: tuple[str, ...] = ()
    """Tokens."""
    pools: tuple[str, ...] = ()
    """Tokens, ``pool-app``."""


class ProxyCounts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a proxy, a pool or a member has now, and what came to it (management.txt, Statistics).

    Counted is since its worker began: a reload begins anew.
    """

    sessions: Counter = 0
    """Now."""
    queue: Counter = 0
    """Requests that wait for a place now."""
    limit: Counter = 0
    """Sessions at most; 0: none is set."""
    sessions_total: Count64 = 0
    requests_total: Count64 = 0
    bytes_in: Count64 = 0
    bytes_out: Count64 = 0
    errors: Count64 = 0
    """Of a proxy: requests that were none. Of others: connections that failed, answers that were none."""
    denied: Count64 = 0
    retries: Count64 = 0
    redispatches: Count64 = 0
    responses: tuple[Count64, Count64, Count64, Count64, Count64, Count64] = (0, 0, 0, 0, 0, 0)
    """Answers by the first digit of their status, 1 to 5, and others."""
    sessions_rate: Counter = 0
    """New ones in the last second, by HAProxy's own count."""


class ProxyTraffic(msgspec.Struct, frozen=True, kw_only=True):
    """What goes through one proxy."""

    proxy: str
    """Token."""
    status: str
    """In HAProxy's word: OPEN, FULL, STOP."""
    counts: ProxyCounts = ProxyCounts()


class MemberTraffic(msgspec.Struct, frozen=True, kw_only=True):
    """What goes to one member of a pool."""

    address: str
    port: Port
    status: str
    """In HAProxy's word: UP, no check, DOWN, DRAIN, MAINT."""
    counts: ProxyCounts = ProxyCounts()


class ProxyPoolTraffic(msgspec.Struct, frozen=True, kw_only=True):
    """What goes through one pool."""

    pool: str
    """Token."""
    status: str
    counts: ProxyCounts = ProxyCounts()
    members: tuple[MemberTraffic, ...] = ()


class ProxiesTraffic(msgspec.Struct, frozen=True, kw_only=True):
    """What goes through a router's HAProxy; what it does not hold is left out."""

    router: str
    at: Annotated[float, msgspec.Meta(ge=0, le=1e12)] = 0.0
    """When it was read, by the router's monotonic clock in seconds: two reads make a rate."""
    proxies: tuple[ProxyTraffic, ...] = ()
    pools: tuple[ProxyPoolTraffic, ...] = ()
    reason: str = ""
    """Why nothing was read, and what to do."""
