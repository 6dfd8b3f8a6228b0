"""Which pool has a request (configuration.txt, ``use_backend``). Pure."""

from __future__ import annotations

from collections.abc import Iterator

from haproxy_programmer.site import Site
from haproxy_programmer.writing import word
from vipbus.contracts import Proxy, pool_token


def choices(proxy: Proxy, site: Site) -> Iterator[str]:
    """Write the pools of a proxy, routes first.

    Raises:
        UnwritableError: a value cannot be written.
    """
    for number, route in enumerate(proxy.route, 1):
        if route.pool is not None:
            condition = f" {{ var(txn.route) -m int {number} }}"
            yield from _fallback(route.pool, site, condition)
            yield f"    use_backend {word(pool_token(route.pool))} if{condition}"
    yield from _fallback(proxy.pool, site)
    yield f"    default_backend {word(pool_token(proxy.pool))}"


def _fallback(name: str, site: Site, condition: str = "") -> Iterator[str]:
    fallback = fallback_of(name, site)
    if fallback is not None:
        somebody = f"{{ nbsrv({word(fallback)}) gt 0 }}"
        yield f"    use_backend {fallback} if{condition} {nobody(pool_token(name))} {somebody}"


def fallback_of(name: str, site: Site) -> str | None:
    """Give the token of the pool that serves while one, by its name, does not."""
    pool = next((each for each in site.pools if each.id == pool_token(name)), None)
    return pool_token(pool.fallback) if pool is not None and pool.fallback is not None else None


def nobody(token: str, enough: int = 1) -> str:
    """Write the condition that fewer of a pool can serve than are enough.

    Raises:
        UnwritableError: the token cannot be written.
    """
    return f"{{ nbsrv({word(token)}) lt {int(enough)} }}"
