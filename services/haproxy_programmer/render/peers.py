"""Who is told what stick tables hold (configuration.txt, ``peers``): other routers, the next worker. Pure.

A worker that ends tells the one that was started in its place, by the peer that it is itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from haproxy_programmer.site import Place, Site
from haproxy_programmer.writing import endpoint, word
from vipbus.contracts import SourcePersistence, name_token

SECTION: Final = "routers"
_ALONE: Final = "local"


def local(site: Site) -> Iterator[str]:
    """Write which of the peers this process is, for ``global``."""
    if _tables(site):
        yield f"    localpeer {name_token(site.peers.router) if site.peers is not None else _ALONE}"


def peers(site: Site, place: Place | None) -> Iterator[str]:
    """Write the section; without a place, all of it that is structure.

    Raises:
        UnwritableError: a value cannot be written.
    """
    if not _tables(site):
        return
    yield f"peers {SECTION}"
    if site.peers is None:
        if place is not None:
            yield f"    peer {_ALONE} {word(place.peers)}"
        return
    for each in site.peers.peers:
        yield f"    peer {word(name_token(each.router))} {endpoint(each.address, each.port)}"


def _tables(site: Site) -> bool:
    return any(isinstance(pool.persistence, SourcePersistence) for pool in site.pools)
