"""The routers of a document: their own addresses, and who is told by unicast."""

from __future__ import annotations

from typing import Any, Final

from config_service.keepalived import values
from config_service.native.misplaced import Misplaced, Table
from config_service.native.overrides import ADDRESS, Overrides
from config_service.problems import RefusedError

UNICAST: Final = "unicast"
"""The key of an instance whose peers are the other routers."""
_KIND: Final = "vrrp_instance"


def with_peers(table: Table, place: str, family: int, overrides: Overrides) -> Table:
    """Fill in ``source`` and ``unicast_peers`` of an instance that says ``unicast = true``.

    The source is the router's own address of the family, unless the instance has one; the peers are the other
    routers that have the instance, by the same rule.

    Raises:
        Misplaced: a router has no such address, or there is no other router.
    """
    whole = dict(table)
    said = whole.pop(UNICAST, False)
    path = f"{place}.{UNICAST}"
    if not isinstance(said, bool):
        raise Misplaced(path, "is neither true nor false")
    if not said:
        return whole
    if "unicast_peers" in whole:
        raise Misplaced(
            f"{place}.unicast_peers", f"stands beside {UNICAST}, which says who they are; remove one"
        )
    name = str(whole.get("name"))
    others = [each for each in overrides.routers if each != overrides.router]
    others = [each for each in others if overrides.has(each, _KIND, name)]
    if not others:
        raise Misplaced(path, "there is no other router to tell; add [router.NAME] for each")
    if "source" not in whole:
        whole["source"] = own_address(overrides, overrides.router, family, path)
    shared = overrides.shared(_KIND, name).get("source")
    peers: list[str] = []
    for other in others:
        source, _ = overrides.of_router(other, _KIND, name, "source")
        peers.append(source or shared or own_address(overrides, other, family, path))
    for other, peer in zip(others, peers, strict=True):
        if peer == whole["source"] or peers.count(peer) > 1:
            raise Misplaced(path, f"{other} has the address {peer}, as another router does; correct one")
    whole["unicast_peers"] = [{"address": peer} for peer in peers]
    return whole


def own_address(overrides: Overrides, router: str, family: int, asked: str) -> str:
    """Give a router's own address of a family.

    Raises:
        Misplaced: it has none.
    """
    for text, version in addresses(overrides, router):
        if version == family:
            return text
    raise Misplaced(
        asked, f"{router} has no IPv{family} address; write {ADDRESS} = ... below [router.{router}]"
    )


def addresses(overrides: Overrides, router: str) -> list[values.Address]:
    """Read ``address`` of a router: one, or one of each family.

    Raises:
        Misplaced: it is none.
    """
    said, path = overrides.of_router(router, ADDRESS)
    words: list[Any] = said if isinstance(said, list) else [said] if said is not None else []
    found: list[values.Address] = []
    for at, word in enumerate(words):
        place = f"{path}[{at}]" if isinstance(said, list) else path
        if not isinstance(word, str):
            raise Misplaced(place, 'is no address; write "192.0.2.2"')
        try:
            found.append(values.address(word))
        except RefusedError as error:
            raise Misplaced(place, str(error)) from None
        if any(each.version == found[-1].version for each in found[:-1]):
            raise Misplaced(place, "is the second of its family; an instance that has another says source")
    return found
