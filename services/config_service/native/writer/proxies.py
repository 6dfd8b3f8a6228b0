"""Proxies and their pools as ``[[proxy]]`` and ``[[pool]]``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from config_service.native.misplaced import Table
from config_service.native.proxies import OF_ALL
from config_service.native.writer.pools import PoolWriter
from config_service.native.writer.structs import written
from vipbus.contracts import Entity, Proxy, ProxyPool, ProxySettings, RealServer


def write_proxies(every: Sequence[Entity], owners: Mapping[str, str]) -> list[Table]:
    """Write proxies; ``owners`` names the instance that has each address."""
    return [_proxy(one, owners) for one in every if isinstance(one, Proxy)]


def write_pools(every: Sequence[Entity], writer: PoolWriter) -> list[Table]:
    """Write pools with their real servers."""
    reals: dict[str, list[RealServer]] = {}
    for one in every:
        if isinstance(one, RealServer):
            reals.setdefault(one.virtual_server, []).append(one)
    return [
        _snippet_last({**written(one, skip=("router",)), **writer.members(reals.get(one.id, []), OF_ALL)})
        for one in every
        if isinstance(one, ProxyPool)
    ]


def write_settings(every: Sequence[Entity]) -> Table:
    """Write what holds for HAProxy as a whole."""
    return next((written(one, skip=("router",)) for one in every if isinstance(one, ProxySettings)), {})


def _proxy(one: Proxy, owners: Mapping[str, str]) -> Table:
    owner = next((owners[bind.address] for bind in one.bind if bind.address in owners), None)
    follows = ("instance",) if one.instance in (owner, None) else ()  # there is no way to say nobody
    return _snippet_last(written(one, skip=("router", *follows)))


def _snippet_last(table: Table) -> Table:
    """Put the lines that are many after the keys of the table, before the tables inside it."""
    said = table.pop("snippet", None)
    return table if said is None else {**table, "snippet": said}
