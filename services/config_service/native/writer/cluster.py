"""Several routers as one document: what they share once, what differs below ``[router.NAME]``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from config_service.native.cluster import UNICAST
from config_service.native.misplaced import Table
from config_service.native.overrides import ADDRESS, ROUTERS
from config_service.native.servers import names_of
from config_service.native.writer.router import RouterTables

KINDS: Final = (
    "vrrp",
    "ipvs",
    "vrrp_script",
    "track_file",
    "track_process",
    "vrrp_instance",
    "vrrp_sync_group",
    "virtual_server_group",
    "virtual_server",
    "haproxy",
    "proxy",
    "pool",
)
"""In the order in which they are written: what is named comes before who names it."""
_SINGLES: Final = ("vrrp", "ipvs", "haproxy")
_INSTANCE: Final = "vrrp_instance"
_ABSENT: Final = object()


def write_cluster(routers: Mapping[str, RouterTables]) -> Table:
    """Write the document of one or more routers; of one it is a document for any router."""
    if len(routers) == 1:
        (only,) = routers.values()
        whole: Table = {kind: only.singles.get(kind, {}) for kind in _SINGLES}
        whole.update({kind: only.arrays.get(kind, []) for kind in KINDS if kind not in _SINGLES})
        return {kind: whole[kind] for kind in KINDS if whole[kind]}
    own: dict[str, Table] = {router: {} for router in routers}
    _take_addresses(routers, own)
    document: Table = {}
    for kind in KINDS:
        if kind in _SINGLES:
            shared = _shared({router: tables.singles.get(kind, {}) for router, tables in routers.items()})
            differing = {
                router: _without(tables.singles.get(kind, {}), shared) for router, tables in routers.items()
            }
            for router, table in differing.items():
                if table:
                    own[router][kind] = table
            if shared:
                document[kind] = shared
        else:
            arrays = _arrays(
                kind, {router: tables.arrays.get(kind, []) for router, tables in routers.items()}, own
            )
            if arrays:
                document[kind] = arrays
    document["router"] = own
    return document


def _arrays(kind: str, tables: Mapping[str, list[Table]], own: Mapping[str, Table]) -> list[Table]:
    names: Callable[[Table], Sequence[str]] = names_of if kind == "virtual_server" else _name
    keyed = {router: {names(table)[-1]: table for table in its} for router, its in tables.items()}
    # in the order of the first router that has each
    order = dict.fromkeys(key for its in keyed.values() for key in its)
    known = [names(next(its[key] for its in keyed.values() if key in its)) for key in order]
    found: list[Table] = []
    for at, key in enumerate(order):
        having = {router: its[key] for router, its in keyed.items() if key in its}
        shared = _shared(having)
        if len(having) < len(tables):
            shared = {**shared, ROUTERS: [*having]}
        found.append(_first(shared, (*_head(kind), ROUTERS)))
        name = next(each for each in known[at] if sum(each in others for others in known) == 1)
        for router, table in having.items():
            if differing := _without(table, shared):
                own[router].setdefault(kind, {})[name] = differing
    return found


def _name(table: Table) -> Sequence[str]:
    return (table["name"],)


def _head(kind: str) -> tuple[str, ...]:
    return ("name", "group", "address", "mark") if kind == "virtual_server" else ("name",)


def _first(table: Table, keys: Sequence[str]) -> Table:
    """Write some keys before the others."""
    return {**{key: table[key] for key in keys if key in table}, **table}


def _shared(tables: Mapping[str, Table]) -> Table:
    """Give what all of several tables say alike; of tables inside them what these say alike."""
    first, *others = tables.values()
    found: Table = {}
    for key, value in first.items():
        same = [other.get(key, _ABSENT) for other in others]
        if all(each == value for each in same):
            found[key] = value
        elif isinstance(value, dict) and all(isinstance(each, dict) for each in same):
            inside = _shared(
                {str(at): each for at, each in enumerate([value, *same]) if isinstance(each, dict)}
            )
            if inside:
                found[key] = inside
    return found


def _without(table: Table, shared: Table) -> Table:
    """Give what of a table the shared one does not say."""
    found: Table = {}
    for key, value in table.items():
        said: Any = shared.get(key, _ABSENT)
        if said == value:
            continue
        found[key] = _without(value, said) if isinstance(value, dict) and isinstance(said, dict) else value
    return found


def _take_addresses(routers: Mapping[str, RouterTables], own: Mapping[str, Table]) -> None:
    """Write ``unicast = true`` where the peers of an instance are the sources of the other routers.

    The address that most of a router's instances come from is its own; the others say their source.
    """
    instances = {
        router: {table["name"]: table for table in tables.arrays.get(_INSTANCE, [])}
        for router, tables in routers.items()
    }
    meshed: dict[str, list[str]] = {}
    for name in dict.fromkeys(name for its in instances.values() for name in its):
        having = {router: its[name] for router, its in instances.items() if name in its}
        if len(having) > 1 and _is_mesh(having):
            meshed[name] = [*having]
    for router, its in instances.items():
        found: dict[bool, str] = {}
        for name, table in its.items():
            if router in meshed.get(name, ()):
                source = table["source"]
                if found.setdefault(":" in source, source) == source:
                    del table["source"]
                del table["unicast_peers"]
                table[UNICAST] = True
        if found:
            addresses = [found[key] for key in sorted(found)]
            own[router][ADDRESS] = addresses[0] if len(addresses) == 1 else addresses


def _is_mesh(tables: Mapping[str, Table]) -> bool:
    sources = {router: table.get("source") for router, table in tables.items()}
    return None not in sources.values() and all(
        table.get("unicast_peers") == [sources[other] for other in tables if other != router]
        and len(set(sources.values())) == len(sources)
        for router, table in tables.items()
    )
