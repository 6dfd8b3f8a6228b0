"""Asks a router's haproxy-programmer what goes through its proxies and pools."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ctl.judge_pools import SERVICE
from ctl.programmers import ask
from vipbus.bus import Bus
from vipbus.contracts import Proxy, ProxyPool
from vipbus.contracts.proxy_commands import ProxiesTraffic, ReadProxies

_ANSWER_WITHIN = 10.0
_AT_ONCE = 128
"""Pools asked about in one request: tens of thousands of members would not fit an answer."""


async def proxies_counted(
    bus: Bus, router: str, proxies: Sequence[Proxy], pools: Sequence[ProxyPool]
) -> tuple[ProxiesTraffic | None, str]:
    """Read their counters; None where there is nothing to ask, or in words why there is no answer."""
    whole: ProxiesTraffic | None = None
    for start in range(0, max(len(pools), min(len(proxies), 1)), _AT_ONCE):
        asked = ReadProxies(
            proxies=tuple(proxy.id for proxy in proxies) if not start else (),
            pools=tuple(pool.id for pool in pools[start : start + _AT_ONCE]),
        )
        answer = await ask(
            bus, router, "traffic", asked, ProxiesTraffic, within=_ANSWER_WITHIN, service=SERVICE
        )
        if isinstance(answer, str):
            return None, answer.removeprefix(f"{router}: ")
        if answer.reason:
            return None, answer.reason
        whole = (
            answer if whole is None else msgspec.structs.replace(whole, pools=(*whole.pools, *answer.pools))
        )
    return whole, ""
