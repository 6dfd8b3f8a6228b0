"""The command ``traffic``: what goes through proxies and pools, read now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from haproxy_programmer.observed import UnreadableError
from haproxy_programmer.runtime import SilentError
from haproxy_programmer.site import Site
from haproxy_programmer.statistics import Kind, Read, Row
from haproxy_programmer.traffic import Traffic
from vipbus.bus.packed import pack
from vipbus.contracts import name_token, per_router
from vipbus.contracts.proxy_commands import (
    MemberTraffic,
    ProxiesTraffic,
    ProxyCounts,
    ProxyPoolTraffic,
    ProxyTraffic,
    ReadProxies,
)

if TYPE_CHECKING:
    from vipbus.bus import Command

_MOST: Final = 2**53 - 1
"""What a reader of JSON has exactly."""
_CLASSES: Final = ("hrsp_1xx", "hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx", "hrsp_other")


def commands(router: str, traffic: Traffic, site: Callable[[], Site | None]) -> dict[str, Command]:
    """Give the command by its verb, to be served on the bus."""

    async def answer(body: bytes) -> bytes:
        asked = msgspec.json.decode(body, type=ReadProxies)
        return pack(msgspec.json.encode(await _answer(router, traffic, site(), asked)))

    return {per_router("traffic", name_token(router)): answer}


async def _answer(router: str, traffic: Traffic, site: Site | None, asked: ReadProxies) -> ProxiesTraffic:
    if site is None:
        reason = "no whole configuration has come here yet: `vipbus status` says what is missing"
        return ProxiesTraffic(router=router, reason=reason)
    try:
        at, read = await traffic.read()
    except (SilentError, UnreadableError) as error:
        return ProxiesTraffic(router=router, reason=str(error))
    return ProxiesTraffic(
        router=router,
        at=at,
        proxies=tuple(_proxies(site, read, frozenset(asked.proxies))),
        pools=tuple(_pools(site, read, frozenset(asked.pools))),
    )


def _proxies(site: Site, read: Read, wanted: frozenset[str]) -> Iterator[ProxyTraffic]:
    rows = _by_section(read, "frontend")
    for proxy in site.proxies:
        if proxy.id in wanted:
            for row in rows.get(proxy.id, ()):
                yield ProxyTraffic(proxy=proxy.id, status=row.status, counts=_counts(row, ("ereq",)))


def _pools(site: Site, read: Read, wanted: frozenset[str]) -> Iterator[ProxyPoolTraffic]:
    rows, servers = _by_section(read, "backend"), _by_section(read, "server")
    for pool in site.pools:
        if pool.id in wanted:
            for row in rows.get(pool.id, ()):
                yield ProxyPoolTraffic(
                    pool=pool.id,
                    status=row.status,
                    counts=_counts(row, ("econ", "eresp")),
                    members=tuple(_members(site, pool.id, servers.get(pool.id, ()))),
                )


def _members(site: Site, pool: str, rows: Iterable[Row]) -> Iterator[MemberTraffic]:
    held = site.slots_of(pool).held
    for row in rows:
        if (slot := held.get(row.server)) is not None:
            yield MemberTraffic(
                address=slot.address,
                port=slot.port,
                status=row.status,
                counts=_counts(row, ("econ", "eresp")),
            )


def _by_section(read: Read, kind: Kind) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in read.rows:
        if row.kind == kind:
            found.setdefault(row.proxy, []).append(row)
    return found


def _counts(row: Row, errors: tuple[str, ...]) -> ProxyCounts:
    numbers = row.numbers

    def now(name: str) -> int:
        return min(numbers.get(name, 0), _MOST)

    def since(*names: str) -> int:
        return sum(numbers.get(name, 0) for name in names)

    one, two, three, four, five, other = (since(name) for name in _CLASSES)
    return ProxyCounts(
        sessions=now("scur"),
        queue=now("qcur"),
        limit=now("slim"),
        sessions_total=since("stot"),
        requests_total=since("req_tot"),
        bytes_in=since("bin"),
        bytes_out=since("bout"),
        errors=since(*errors),
        denied=since("dreq", "dresp", "dcon", "dses"),
        retries=since("wretr"),
        redispatches=since("wredis"),
        responses=(one, two, three, four, five, other),
        sessions_rate=now("rate"),
    )
