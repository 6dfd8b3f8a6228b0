"""``[proxy_peers]``: the routers of the document tell each other who sticks to which member."""

from __future__ import annotations

from typing import Any, Final

from config_service.keepalived import values
from config_service.native.cluster import addresses
from config_service.native.environment import as_number
from config_service.native.misplaced import Misplaced, Table, table_of
from config_service.native.network_forms import unknown_key
from config_service.native.overrides import ADDRESS, Overrides
from config_service.native.walk import convert
from config_service.problems import RefusedError
from vipbus.contracts import ProxyPeers

TABLE: Final = "proxy_peers"
KEYS: Final = ("port", ADDRESS)


def read_peers(table: Table, overrides: Overrides) -> ProxyPeers | None:
    """Read the table; each router is told at its own address, or at the one that it says here.

    Raises:
        Misplaced: something is refused.
    """
    if not table:
        return None
    for key in table:
        if key not in KEYS:
            raise unknown_key(key, KEYS, f"{TABLE}.{key}")
    if not overrides.routers:
        raise Misplaced(TABLE, "there is no router to tell; add [router.NAME] with its address for each")
    shared = table_of(overrides.values[0].get(TABLE, {}), TABLE)
    peers = [_peer(shared, router, overrides) for router in overrides.routers]
    made: ProxyPeers = convert({"peers": peers}, ProxyPeers, TABLE, given={"router": overrides.router})
    return made


def _peer(shared: Table, router: str, overrides: Overrides) -> dict[str, Any]:
    found: dict[str, Any] = {"router": router}
    for key in KEYS:
        said, path = overrides.of_router(router, TABLE, key)
        found[key], place = (said, path) if said is not None else (shared.get(key), f"{TABLE}.{key}")
        if key == "port":
            found[key] = as_number(found[key])
            if found[key] is None:
                raise Misplaced(place, "there is no port; write port = 8555")
    found[ADDRESS] = _address(found[ADDRESS], router, overrides)
    return found


def _address(said: Any, router: str, overrides: Overrides) -> str:
    place = f"router.{router}.{TABLE}.{ADDRESS}"
    if said is None:
        own = addresses(overrides, router)
        if not own:
            raise Misplaced(TABLE, f"{router} has no address; write {ADDRESS} = ... below [router.{router}]")
        return own[0].text
    if not isinstance(said, str):
        raise Misplaced(place, 'is no address; write "192.0.2.2"')
    try:
        return values.address(said).text
    except RefusedError as error:
        raise Misplaced(place, str(error)) from None
