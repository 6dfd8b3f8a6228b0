"""What a revision, verdicts and operators ask of HAProxy. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from haproxy_programmer.members import members
from haproxy_programmer.site import Site
from haproxy_programmer.slots import Slots, assign
from vipbus.contracts import OperatorState, Proxy, Verdict, address_token
from vipbus.runtime.revision import Revision


def desired(
    revision: Revision,
    verdicts: Mapping[str, Verdict],
    operators: Mapping[str, OperatorState],
    slots: Mapping[str, Slots],
    *,
    idle: Collection[tuple[str, str]],
    now: float,
) -> Site:
    """Arrange the members in their slots; ``idle`` are slots, by pool and name, without a connection."""
    found = {
        pool.id: members(pool.id, revision.members.get(pool.id, ()), verdicts, operators)
        for pool in revision.proxy_pools
    }
    return Site(
        proxies=revision.proxies,
        pools=revision.proxy_pools,
        settings=revision.proxy_settings,
        peers=revision.proxy_peers,
        members=found,
        slots={
            pool.id: assign(
                slots.get(pool.id, Slots(size=0)),
                found[pool.id],
                idle={name for owner, name in idle if owner == pool.id},
                now=now,
                drain=pool.drain_timeout,
                configured=pool.slots,
            )
            for pool in revision.proxy_pools
        },
        drained=drained(revision.proxies, operators),
    )


def checked_at(proxy: Proxy) -> frozenset[str]:
    """Name the real servers, by token, whose drain a proxy tells whoever stands in front of it."""
    if not proxy.monitor_drain:
        return frozenset()
    return frozenset(address_token(bind.address, bind.port) for bind in proxy.bind)


def drained(proxies: Collection[Proxy], operators: Mapping[str, OperatorState]) -> frozenset[str]:
    """Find the proxies, by token, that an operator takes out of the tier in front of them."""
    out = {said.real_server for said in operators.values()}
    return frozenset(proxy.id for proxy in proxies if checked_at(proxy) & out)
