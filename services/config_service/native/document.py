"""From the text of a vipbus.toml to one router's entities.

``[vrrp]``, ``[ipvs]`` and the arrays of tables ``vrrp_instance``, ``vrrp_sync_group``, ``vrrp_script``,
``track_file``, ``track_process``, ``virtual_server_group`` and ``virtual_server``. Their keys are the fields
of the contracts, so there is one vocabulary. ``[router.NAME]`` says what one router has otherwise:
``[router.NAME.vrrp]``, and ``[router.NAME.vrrp_instance.VI_1]`` with the keys that differ. A virtual server
has the name that its table gives it, else its address as it is written, its group or its mark.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from config_service.cluster import Side, ties
from config_service.keepalived.values import any_address
from config_service.native.checks import Warn
from config_service.native.groups import read_groups
from config_service.native.ipvs import read_ipvs
from config_service.native.lines import find
from config_service.native.overrides import Overrides, Table
from config_service.native.places import Places
from config_service.native.pool import Cluster, owners_of
from config_service.native.servers import read_servers
from config_service.native.values import virtual_address
from config_service.native.walk import Misplaced, convert, table_of
from config_service.problems import ConfigError, Problem, RefusedError, quoted
from vipbus.contracts import (
    Entity,
    SyncGroup,
    TrackFile,
    TrackProcess,
    VrrpEntity,
    VrrpInstance,
    VrrpScript,
    VrrpSettings,
    name_token,
)
from vipbus.contracts.vrrp_checks import fault

Reference = Callable[[str], str]
"""Puts a secret aside and gives what stands for it on the bus."""

_KINDS: Final[Mapping[str, type[msgspec.Struct]]] = {
    "vrrp_instance": VrrpInstance,
    "vrrp_sync_group": SyncGroup,
    "vrrp_script": VrrpScript,
    "track_file": TrackFile,
    "track_process": TrackProcess,
}
_TOP: Final = (*_KINDS, "virtual_server_group", "virtual_server", "vrrp", "ipvs", "router")


def read(
    text: str,
    file: str,
    router: str,
    reference: Reference,
    warnings: list[Problem] | None = None,
    *,
    empty_pools: bool = False,
    places: Places | None = None,
) -> tuple[Entity, ...]:
    """Read a document for one router.

    ``warnings`` takes what is accepted and perhaps not as it is meant, ``places`` where each entity stands.

    ``empty_pools``: a virtual server without real servers stays, for they come from elsewhere too.

    Raises:
        ConfigError: it is refused; with the path of the key that is wrong.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError([Problem(file, _line(str(error)), f"this is no TOML: {error}")]) from None

    try:
        overrides = Overrides(document, router)
    except Misplaced as error:
        raise ConfigError([_problem(text, file, error.path, str(error))]) from None

    def warn(path: str, said: str) -> None:
        if warnings is not None:
            warnings.append(_problem(text, file, overrides.origin(path), said))

    places = places or Places(text, file)
    places.origin = overrides.origin
    try:
        found = tuple(
            _entities(
                document, overrides, router, reference, warn=warn, places=places, empty_pools=empty_pools
            )
        )
        for path, said in _ties(document, router, found):
            warn(path, said)
    except Misplaced as error:
        raise ConfigError([_problem(text, file, overrides.origin(error.path), str(error))]) from None
    return found


def _problem(text: str, file: str, path: str, said: str) -> Problem:
    return Problem(file, find(text, path), f"{path}: {said}")


def _entities(
    document: Table,
    overrides: Overrides,
    router: str,
    reference: Reference,
    *,
    warn: Warn,
    places: Places,
    empty_pools: bool,
) -> list[Entity]:
    for key in document:
        if key not in _TOP:
            raise Misplaced(key, f"unknown table {quoted(key)}; known are {' '.join(_TOP)}")
    whose = {"router": router}
    settings: VrrpSettings = convert(overrides.table("vrrp"), VrrpSettings, "vrrp", given=whose)
    found: list[VrrpEntity] = [settings]
    for kind, struct in _KINDS.items():
        for number, table in enumerate(overrides.tables(kind, _name)):
            place = f"{kind}[{number}]"
            whole = _instance(table, place, reference) if struct is VrrpInstance else table
            found.append(convert(whole, struct, place, given=whose))
            places.note(found[-1], place)
    ipvs = overrides.table("ipvs")
    groups = overrides.tables("virtual_server_group", _name)
    servers = overrides.tables("virtual_server", _name_or_address)
    overrides.finish()
    instances = [each for each in found if isinstance(each, VrrpInstance)]
    _refuse_doubles(found)
    _refuse_unusable(instances)
    _refuse_claims(instances)
    owners = owners_of(instances)
    cluster = Cluster(
        router, owners, settings, read_groups(groups), warn, places.note, empty_pools=empty_pools
    )
    entries = read_servers(servers, cluster)
    of_table = read_ipvs(ipvs, router, instances, settings) if ipvs or entries else None
    return [*found, *((of_table,) if of_table is not None else ()), *entries]


def _name(table: Table) -> str:
    return str(table.get("name"))


def _name_or_address(table: Table) -> str:
    """Give the name that a router's own table goes by: of a group or a mark where it is one."""
    return str(next((table[key] for key in ("name", "address", "group", "mark") if key in table), None))


def _instance(table: Table, place: str, reference: Reference) -> Table:
    """Read what an instance's table may say shorter than the contract: addresses as text, secrets as such."""
    whole = dict(table)
    dev = str(whole.get("interface", ""))
    for key in ("virtual_ipaddress", "virtual_ipaddress_excluded"):
        addresses = whole.get(key)
        if isinstance(addresses, list):
            whole[key] = [_address(each, dev, f"{place}.{key}[{at}]") for at, each in enumerate(addresses)]
    addresses = whole.get("virtual_ipaddress")
    if isinstance(addresses, list) and any(
        ":" in str(each.get("address")) for each in addresses if isinstance(each, dict)
    ):
        whole.setdefault("family", 6)
        whole.setdefault("version", 3)
    if isinstance(whole.get("auth_pass"), str):
        whole["auth_pass"] = reference(whole["auth_pass"])
    hmac = whole.get("hmac")
    if isinstance(hmac, dict) and isinstance(hmac.get("keys"), list):
        keys = [
            {**key, "secret": reference(key["secret"])}
            if isinstance(key, dict) and isinstance(key.get("secret"), str)
            else key
            for key in hmac["keys"]
        ]
        whole["hmac"] = {**hmac, "keys": keys}
    return whole


def _address(value: Any, dev: str, place: str) -> Any:
    if isinstance(value, dict):
        return {"dev": dev, **value}
    if not isinstance(value, str):
        return value
    try:
        return virtual_address(value, dev)
    except RefusedError as error:
        raise Misplaced(place, str(error)) from None


def _refuse_unusable(instances: list[VrrpInstance]) -> None:
    for number, instance in enumerate(instances):
        if (found := fault(instance, instances[:number])) is not None:
            raise Misplaced(f"vrrp_instance[{number}].{found.field}", found.text)


def _refuse_claims(instances: list[VrrpInstance]) -> None:
    """Refuse an address that is claimed twice; a link-local one may be there once an interface."""
    claimed: dict[tuple[str, str], str] = {}
    for number, instance in enumerate(instances):
        for key in ("virtual_ipaddress", "virtual_ipaddress_excluded"):
            for each in getattr(instance, key):
                address = any_address(each.address).text
                local = each.dev if address.startswith("fe80:") else ""
                if (address, local) in claimed:
                    raise Misplaced(
                        f"vrrp_instance[{number}].{key}",
                        f"{address} is already an address of {claimed[address, local]}; remove one",
                    )
                claimed[address, local] = instance.name


def _ties(document: Table, router: str, found: Sequence[Entity]) -> Iterator[tuple[str, str]]:
    """Find routers of the document that have the priority of this one."""
    own = Side(router, [each for each in found if isinstance(each, VrrpInstance)])
    paths = {instance.name: f"vrrp_instance[{at}].priority" for at, instance in enumerate(own.instances)}
    for other in table_of(document.get("router", {}), "router"):
        if other == router:
            continue
        try:
            tables = Overrides(document, other).tables("vrrp_instance", _name)
            wholes = [_instance(table, "vrrp_instance", str) for table in tables]
            theirs = [convert(whole, VrrpInstance, "", given={"router": other}) for whole in wholes]
        except Misplaced:
            continue  # that router's own reading says so
        for tie in ties([Side(other, theirs), own]):
            yield paths[tie.instance.name], tie.text


def _refuse_doubles(entities: list[VrrpEntity]) -> None:
    seen: dict[str, VrrpEntity] = {}
    for entity in entities:
        other = seen.setdefault(entity.key, entity)
        if other is not entity and not isinstance(entity, VrrpSettings):
            raise Misplaced(entity.name, f"there are two of the name {name_token(entity.name)}; rename one")


def _line(text: str) -> int:
    _, _, rest = text.partition("line ")
    digits = rest.split(",")[0].split(")")[0].strip()
    return int(digits) if digits.isdigit() else 1
