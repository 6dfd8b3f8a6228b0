"""One real server more, one less, or one with another weight, in what an operator has said. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from config_service.alike import aimed
from config_service.named import nearest, real_server
from config_service.past import entities_of
from config_service.pools import KEEPS_PORT, findings
from config_service.revise import Desired
from vipbus.contracts import RealServer, VirtualServer, encoded, moved_digest, outline, pool_of
from vipbus.contracts.config_commands import ChangeServer
from vipbus.runtime.naming import means, place_of

_VERBS = {"add": "add", "remove": "remove", "set-weight": "set the weight of"}


def changed_server(base: Desired | None, asked: ChangeServer) -> Desired:
    """Give what is desired with the change in it.

    Raises:
        ValueError: it cannot be done; in words, with what there is.
    """
    if base is None:
        raise ValueError("nothing is configured yet; look at `vipbus status`")
    before: dict[str, bytes] = {}
    after: dict[str, bytes] = {}
    change = {"add": _add, "remove": _remove, "set-weight": _weigh}[asked.verb]
    for pool, keys in _pools(base, asked.virtual_server):
        # decoded are the members of this pool, of tens of thousands
        held = {key: base.bodies[key] for key in keys}
        reals = [each for each in entities_of(held) if isinstance(each, RealServer)]
        wanted = change(pool, reals, asked)
        if wrong := next((each.text for each in findings(pool, wanted) if each.fatal), ""):
            raise ValueError(f"{pool.words}: {wrong}")
        before |= held
        after |= encoded((pool, *wanted))
    bodies = {**base.bodies, **after}
    for gone in before.keys() - after.keys():
        del bodies[gone]
    return msgspec.structs.replace(
        base,
        bodies=bodies,
        digest=moved_digest(base.digest, before, after),
        cause=f"{_VERBS[asked.verb]} {asked.real_server}",
        by=asked.by,
        how="server",
        why=asked.why,
        base=0,
        confirm_by=None,
    )


def _pools(base: Desired, name: str) -> list[tuple[VirtualServer, list[str]]]:
    """Find the virtual servers that are meant, each with the keys of its documents."""
    parts: dict[str, list[str]] = {}
    for key in base.bodies:
        if (pool := pool_of(key)) is not None:
            parts.setdefault(pool, []).append(key)
    pools = [
        (virtual, keys)
        for keys in parts.values()
        for key in keys
        if (virtual := outline(base.bodies[key]).virtual_server) is not None
    ]
    # most say an address and a port: of thousands, few have that address
    place = place_of(name)
    near = pools if place is None else [pool for pool in pools if pool[0].address == place.address]
    meant = [pool for pool in near if means(name, pool[0])]
    if not meant:
        there = _there(name, (virtual.id for virtual, _ in pools), "virtual server")
        raise ValueError(f"no virtual server is {name[:80]!r}; {there}")
    return meant


def _there(name: str, tokens: Iterable[str], what: str) -> str:
    tokens = tuple(tokens)
    return nearest(name, tokens) if tokens else f"there is no {what}"


def _add(pool: VirtualServer, members: list[RealServer], asked: ChangeServer) -> list[RealServer]:
    place = place_of(asked.real_server)
    if place is None or place.protocol is not None:
        raise ValueError(f"{asked.real_server[:80]!r} is no ADDRESS:PORT")
    like = _like(pool, members, asked.like)
    method = like.forwarding or pool.forwarding if like is not None else pool.forwarding
    port = pool.port if method in KEEPS_PORT and not pool.mark else place.port
    if port is None:
        raise ValueError(f"{asked.real_server} has no port; write ADDRESS:PORT")
    new = member(pool, like, place.address, port, asked.weight)
    if any(each.id == new.id for each in members):
        raise ValueError(
            f"{asked.real_server} is in the pool of {pool.words} already; `vipbus server set-weight` it"
        )
    return [*members, new]


def _like(pool: VirtualServer, members: list[RealServer], name: str) -> RealServer | None:
    if not name:
        return members[0] if members else None
    for each in members:
        if each.id == real_server(name):
            return each
    there = _there(name, (each.id for each in members), "real server")
    raise ValueError(f"no real server {name[:80]!r} in the pool of {pool.words}; {there}")


def member(
    pool: VirtualServer, like: RealServer | None, address: str, port: int, weight: int | None
) -> RealServer:
    """Make a pool's member like another one, or as its virtual server's template; checks go to its own place.

    Programs that are told of one real server know nothing of another.
    """
    own = like if like is not None else pool.template
    if own is None:
        own = RealServer(router=pool.router, virtual_server=pool.id, address=address, port=port)
    return msgspec.structs.replace(
        own,
        router=pool.router,
        virtual_server=pool.id,
        address=address,
        port=port,
        weight=own.weight if weight is None else weight,
        checks=tuple(aimed(check, own, address, port) for check in own.checks),
        notify_up=None if like is not None else own.notify_up,
        notify_down=None if like is not None else own.notify_down,
        origin="",
    )


def _the_one(pool: VirtualServer, members: list[RealServer], asked: ChangeServer) -> RealServer:
    token = real_server(asked.real_server)
    for each in members:
        if each.id == token:
            return each
    there = _there(asked.real_server, (each.id for each in members), "real server")
    raise ValueError(f"no real server {asked.real_server[:80]!r} in the pool of {pool.words}; {there}")


def _remove(pool: VirtualServer, members: list[RealServer], asked: ChangeServer) -> list[RealServer]:
    gone = _the_one(pool, members, asked)
    return [each for each in members if each is not gone]


def _weigh(pool: VirtualServer, members: list[RealServer], asked: ChangeServer) -> list[RealServer]:
    one = _the_one(pool, members, asked)
    if asked.weight is None:
        raise ValueError("a weight is missing; give one, 0 sends no new connections")
    new = msgspec.structs.replace(one, weight=asked.weight)
    return [new if each is one else each for each in members]
