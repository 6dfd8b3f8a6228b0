"""Compression and caches (configuration.txt, ``compression``, 6 and 9.4). Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

from haproxy_programmer.site import Site
from haproxy_programmer.writing import word
from vipbus.contracts import Cache, Compression, Proxy, ProxyPool

_LONGEST_NAME: Final = 32
"""Characters of a cache's name (src/cache.c)."""


def sections(site: Site) -> Iterator[str]:
    """Write a section for each cache.

    Raises:
        UnwritableError: a name cannot be written.
    """
    owners: tuple[Proxy | ProxyPool, ...] = (*site.proxies, *site.pools)
    for each in owners:
        if each.cache is not None:
            yield ""
            yield from _section(cache_name(each), each.cache)


def _section(name: str, cache: Cache) -> Iterator[str]:
    yield f"cache {word(name)}"
    yield f"    total-max-size {int(cache.size)}"
    if cache.max_object is not None:
        yield f"    max-object-size {int(cache.max_object)}"
    yield f"    max-age {int(cache.max_age)}"
    yield "    process-vary on"


def cache_name(owner: Proxy | ProxyPool) -> str:
    """Name the cache of a proxy or a pool."""
    name = owner.id if isinstance(owner, ProxyPool) else f"proxy-{owner.id}"
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[:15]}-{hashlib.blake2b(name.encode(), digest_size=8).hexdigest()}"


def filters(owner: Proxy | ProxyPool) -> Iterator[str]:
    """Write what sees answers pass; said outright, for a snippet may have filters too.

    Raises:
        UnwritableError: a value cannot be written.
    """
    if owner.cache is not None:
        yield f"    filter cache {word(cache_name(owner))}"
    if owner.compression is not None:
        yield "    filter compression"
        yield from _compression(owner.compression)


def _compression(compression: Compression) -> Iterator[str]:
    yield f"    compression algo {' '.join(word(each) for each in compression.algorithms)}"
    if compression.types:
        yield f"    compression type {' '.join(word(each) for each in compression.types)}"
    if compression.offload:
        yield "    compression offload"


def cached(owner: Proxy | ProxyPool) -> Iterator[str]:
    """Write the rules of a cache.

    They stand where a request is still as it came: what is rewritten may be the same for two routes whose
    pools answer differently.

    Raises:
        UnwritableError: a name cannot be written.
    """
    if owner.cache is not None:
        name = word(cache_name(owner))
        yield f"    http-request cache-use {name}"
        yield f"    http-response cache-store {name}"
