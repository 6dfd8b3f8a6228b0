"""From the text of a vipbus.toml to one router's entities.

``[vrrp]``, ``[ipvs]`` and the arrays of tables ``vrrp_instance``, ``vrrp_sync_group``, ``vrrp_script``,
``track_file``, ``track_process``, ``virtual_server_group`` and ``virtual_server``. Their keys are the fields
of the contracts, so there is one vocabulary. ``[router.NAME]`` says what one router has otherwise
(`config_service.native.overrides`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from config_service.cluster import Side, ties
from config_service.keepalived.values import any_address, near
from config_service.native import groups, peers, proxies, servers
from config_service.native.cluster import UNICAST, addresses
from config_service.native.environment import hidden
from config_service.native.instances import Reading, read_instance
from config_service.native.ipvs import read_ipvs
from config_service.native.misplaced import Misplaced, Table
from config_service.native.overrides import Overrides, Placed
from config_service.native.places import Places
from config_service.native.pool import Cluster, owners_of
from config_service.native.references import judge_names, judge_proxies, with_verdicts
from config_service.native.secrets import Reference, SecretReader
from config_service.native.shown import Shown
from config_service.native.walk import convert
from config_service.problems import ConfigError, Problem, quoted
from vipbus.contracts import (
    Entity,
    ProxySettings,
    SyncGroup,
    TrackFile,
    TrackProcess,
    VrrpEntity,
    VrrpInstance,
    VrrpScript,
    VrrpSettings,
)

_Made = TypeVar("_Made")

KINDS: Final[Mapping[str, type[msgspec.Struct]]] = {
    "vrrp_instance": VrrpInstance,
    "vrrp_sync_group": SyncGroup,
    "vrrp_script": VrrpScript,
    "track_file": TrackFile,
    "track_process": TrackProcess,
}
"""Arrays of tables that become an entity each."""
TABLES: Final = (
    *KINDS,
    "virtual_server_group",
    "virtual_server",
    "proxy",
    "pool",
    "haproxy",
    peers.TABLE,
    "vrrp",
    "ipvs",
    "router",
)
"""All that a document is made of."""


@dataclass(frozen=True)
class Around:
    """The machine that a document is read on."""

    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path = Path()
    """Where the document is; files of secrets are looked for from there."""
    secret_files: bool = True
    """False: files of secrets are not opened."""


def read(
    text: str,
    file: str,
    router: str,
    reference: Reference,
    warnings: list[Problem] | None = None,
    *,
    around: Around | None = None,
    empty_pools: bool = False,
    places: Places | None = None,
) -> tuple[Entity, ...]:
    """Read a document for one router.

    ``warnings`` takes what is accepted and perhaps not as it is meant, ``places`` where each entity stands.

    ``empty_pools``: a virtual server without real servers stays, for they come from elsewhere too.

    Raises:
        ConfigError: it is refused; with the path of every key that is wrong, as far as could be read.
    """
    around = around or Around()
    shown = Shown(text, file)
    document = _parsed(text, shown)
    try:
        overrides = Overrides(document, router, around.environment)
    except Misplaced as error:
        raise ConfigError([shown.misplaced(error, error.path, str(error))]) from None
    places = places or Places(text, file)
    places.origin = overrides.origin
    secrets = SecretReader(reference, around.directory, files=around.secret_files)
    reader = _Reader(overrides, shown, secrets, places)
    try:
        found = tuple(reader.entities(document, empty_pools=empty_pools))
        reader.compare(document, around)
    except Misplaced as error:
        reader.refuse(error)
        raise ConfigError(reader.problems) from None
    else:
        return found
    finally:
        if warnings is not None:
            warnings += reader.warnings


def routers(text: str, file: str) -> tuple[str, ...]:
    """Name the routers that a document is for; none: it is for any.

    Raises:
        ConfigError: it is no TOML.
    """
    found = _parsed(text, Shown(text, file)).get("router", {})
    return tuple(found) if isinstance(found, dict) else ()


def _parsed(text: str, shown: Shown) -> Table:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError([shown.no_toml(str(error))]) from None


class _Reader:
    """Reads one router's view of a document, and collects what is wrong with it."""

    def __init__(self, overrides: Overrides, shown: Shown, secrets: SecretReader, places: Places) -> None:
        self._overrides = overrides
        self._shown = shown
        self._secrets = secrets
        self._places = places
        self._instances: dict[str, VrrpInstance] = {}
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []

    def entities(self, document: Table, *, empty_pools: bool) -> list[Entity]:
        """Read all of it.

        Raises:
            Misplaced: something is refused; more of that may be in ``problems``.
        """
        for key in document:
            if key not in TABLES:
                said = near(key, TABLES) or f"; known are {' '.join(TABLES)}"
                self.refuse(Misplaced(key, f"unknown table {quoted(key)}{said}", of_key=True))
        overrides, whose = self._overrides, {"router": self._overrides.router}
        for router in overrides.routers:
            addresses(overrides, router)
        of_router = overrides.table("vrrp")
        settings: VrrpSettings = convert(of_router, VrrpSettings, "vrrp", given=whose)
        found: dict[str, VrrpEntity] = {}
        reading = Reading(overrides, self._secrets, self._warn)
        for kind, struct in KINDS.items():

            def read_one(placed: Placed, struct: type[msgspec.Struct] = struct) -> Any:
                if struct is VrrpInstance:
                    return read_instance(placed, reading)
                return convert(placed.table, struct, placed.place, given=whose)

            keys = [key for key in struct.__struct_fields__ if key != "router"]
            tables = overrides.tables(kind, _name, [*keys, UNICAST] if struct is VrrpInstance else keys)
            found.update(self._each(tables, read_one))
        ipvs = overrides.table("ipvs")
        of_groups = groups.read_groups(overrides.tables("virtual_server_group", _name, groups.KEYS))
        of_servers = overrides.tables("virtual_server", servers.names_of, servers.KEYS)
        of_pools = overrides.tables("pool", proxies.names_of, proxies.POOL_KEYS)
        of_proxies = overrides.tables("proxy", proxies.names_of, proxies.PROXY_KEYS)
        of_haproxy = overrides.table("haproxy")
        of_peers = overrides.table(peers.TABLE)
        overrides.finish()
        self._stop()
        judge_names({"vrrp": settings, **found}, self._warn)
        self._instances = {place: each for place, each in found.items() if isinstance(each, VrrpInstance)}
        for place, each in self._instances.items():
            self._places.note(each, place)
        _refuse_claims(self._instances)
        instances = list(self._instances.values())
        cluster = Cluster(
            overrides.router,
            owners_of(instances),
            settings,
            of_groups,
            self._warn,
            self._places.note,
            empty_pools=empty_pools,
        )
        reader = servers.ServerReader(cluster)
        entries = [each for _, made in self._each(of_servers, reader.read) for each in made]
        layer_7 = proxies.ProxyReader(cluster)
        pools = self._each(of_pools, layer_7.pool)
        proxied = [made for _, made in self._each(of_proxies, layer_7.proxy)]
        self._stop()
        reader.finish()
        layer_7.finish([place for place, _ in pools])
        judge_proxies(self._instances, [each.name for each in proxied])
        of_table = read_ipvs(ipvs, overrides.router, instances, settings) if ipvs or entries else None
        layer_7_entries: list[Entity] = [
            *(pool for _, (pool, _) in pools),
            *(real for _, (_, reals) in pools for real in reals),
            *proxied,
        ]
        if of_haproxy:
            layer_7_entries.append(convert(of_haproxy, ProxySettings, "haproxy", given=whose))
        told = peers.read_peers(of_peers, overrides)
        if not instances and not entries and not layer_7_entries:
            # taken at its word, it would end every service of this router
            raise Misplaced(
                f"router.{overrides.router}",
                f"no vrrp_instance, virtual_server with a pool or proxy is there for {overrides.router}; was "
                "the file cut off?",
            )
        # as keepalived.conf has it: without an instance there is nothing that they would hold for
        first = [settings] if of_router or instances else []
        rest = with_verdicts(found, entries)
        once = [each for each in (of_table, told) if each is not None]
        return [*first, *rest, *once, *entries, *layer_7_entries]

    def compare(self, document: Table, around: Around) -> None:
        """Warn where another router of the document has the priority of this one."""
        own = Side(self._overrides.router, list(self._instances.values()))
        paths = {instance.name: f"{place}.priority" for place, instance in self._instances.items()}
        for other in self._overrides.routers:
            if other == own.router:
                continue
            try:
                overrides = Overrides(document, other, around.environment)
                reading = Reading(
                    overrides, SecretReader(str, Path(), files=False), lambda _path, _said: None
                )
                keys = [*(key for key in VrrpInstance.__struct_fields__ if key != "router"), UNICAST]
                tables = overrides.tables("vrrp_instance", _name, keys)
                theirs = [read_instance(placed, reading) for placed in tables]
            except Misplaced:
                continue  # that router's own reading says so
            for tie in ties([Side(other, theirs), own]):
                self._warn(paths[tie.instance.name], tie.text)

    def refuse(self, error: Misplaced) -> None:
        """Note a refusal."""
        path = self._overrides.origin(error.path)
        self.problems.append(self._shown.misplaced(error, path, self._without_variables(str(error))))

    def _each(self, tables: Iterable[Placed], read_one: Callable[[Placed], _Made]) -> list[tuple[str, _Made]]:
        made: list[tuple[str, _Made]] = []
        for placed in tables:
            try:
                made.append((placed.place, read_one(placed)))
            except Misplaced as error:
                self.refuse(error)
        return made

    def _stop(self) -> None:
        """End the reading here if anything was wrong: whatever else could be said might follow from it."""
        if self.problems:
            raise ConfigError(self.problems)

    def _warn(self, path: str, said: str) -> None:
        origin = self._overrides.origin(path)
        self.warnings.append(self._shown.problem(origin, self._without_variables(said)))

    def _without_variables(self, said: str) -> str:
        return hidden(said, list(self._overrides.values))


def _name(table: Table) -> tuple[str, ...]:
    return (str(table.get("name")),)


def _refuse_claims(instances: Mapping[str, VrrpInstance]) -> None:
    """Refuse an address that is claimed twice; a link-local one may be there once an interface."""
    claimed: dict[tuple[str, str], str] = {}
    for place, instance in instances.items():
        for key in ("virtual_ipaddress", "virtual_ipaddress_excluded"):
            for each in getattr(instance, key):
                address = any_address(each.address).text
                local = each.dev if address.startswith("fe80:") else ""
                if (address, local) in claimed:
                    raise Misplaced(
                        f"{place}.{key}",
                        f"{address} is already an address of {claimed[address, local]}; remove one",
                    )
                claimed[address, local] = instance.name
