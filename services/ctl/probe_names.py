"""Which virtual server, real server or replica a person means, however it is written."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence

import msgspec

from ctl.words import endpoint, listed
from vipbus.contracts import RealServer, VirtualServer, name_token, token_in_words
from vipbus.runtime.naming import Place, means, place_of

_NEAREST = 3
_LEAST_ALIKE = 0.5
"""Share of letters in common from which a name is near another (difflib)."""


class UnknownNameError(Exception):
    """Nothing, or more than one thing, has this name; the text says what there is."""


def virtual_server_named(
    name: str, there: Iterable[VirtualServer], pools: Iterable[RealServer], others: Collection[str] = ()
) -> VirtualServer:
    """Find the one virtual server that is meant; of a group any, where all are checked alike.

    ``others`` can be named too, and are among what there is.

    Raises:
        UnknownNameError: there is none, or there are several.
    """
    known = {server.id: server for server in there}
    pool = tuple(pools)
    if not known and not others:
        raise UnknownNameError("no virtual server is configured")
    if exact := known.get(name.strip().lower()):
        return exact
    meant = [server for server in known.values() if means(name, server)]
    if meant and len({_checked(server, pool) for server in meant}) == 1 and _one_group(meant):
        return meant[0]
    if meant:
        raise UnknownNameError(f"{_quoted(name)} may be {_or(map(virtual_server_words, meant))}: name one")
    place = place_of(name)
    behind = {server.virtual_server for server in pool if place and _is_real_at(place, server)}
    if fronts := [token_in_words(token) for token in sorted(behind)]:
        raise UnknownNameError(
            f"{_quoted(name)} is a real server of {listed(fronts)}: name the "
            f"{'pool' if all(token.startswith('pool-') for token in behind) else 'virtual server'}, "
            "then this one"
        )
    names = [*map(virtual_server_words, known.values()), *others]
    raise UnknownNameError(
        f"no virtual server{' or pool' if others else ''} {_quoted(name)}; {_nearest(name, names)}"
    )


def real_server_named(name: str, pool: Iterable[RealServer], where: str) -> str:
    """Find the token of the one real server of a pool that is meant.

    Raises:
        UnknownNameError: there is none, or there are several.
    """
    known = {server.id: server for server in pool}
    if name.strip().lower() in known:
        return name.strip().lower()
    place = place_of(name)
    meant = [server for server in known.values() if place and _is_real_at(place, server)]
    if len(meant) == 1:
        return meant[0].id
    if meant:
        raise UnknownNameError(f"{_quoted(name)} may be {_or(map(real_server_words, meant))}: name one")
    if not known:
        raise UnknownNameError(f"{where} has no real servers")
    near = _nearest(name, map(real_server_words, known.values()))
    raise UnknownNameError(f"{where} has no real server {_quoted(name)}; {near}")


def replica_named(name: str, there: Collection[str]) -> str:
    """Find the replica that is meant, by its name or the beginning of it.

    Raises:
        UnknownNameError: there is none, or there are several.
    """
    token = name_token(name)
    exact = [prober for prober in there if name_token(prober) == token]
    meant = exact or [prober for prober in there if name_token(prober).startswith(token)]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise UnknownNameError(f"{_quoted(name)} may be {_or(meant)}: name one")
    if not there:
        raise UnknownNameError(
            f"no health-prober {_quoted(name)}, and none is on this bus: start `vipbus run -f FILE`"
        )
    raise UnknownNameError(f"no health-prober {_quoted(name)}; {_nearest(name, there)}")


def virtual_server_words(server: VirtualServer) -> str:
    """Name a virtual server as reports do: ``10.9.0.1:80 TCP``."""
    return server.words


def real_server_words(server: RealServer) -> str:
    """Name a real server as reports do: ``10.9.0.21:80``."""
    return endpoint(server.address, server.port)


def _quoted(name: str) -> str:
    return repr(name if len(name) <= 80 else f"{name[:80]}...")


def _one_group(servers: Sequence[VirtualServer]) -> bool:
    """Say whether it is one, or they are of one group: those have one pool."""
    return len(servers) == 1 or {server.group for server in servers} == {servers[0].group or None}


def _checked(server: VirtualServer, pools: Iterable[RealServer]) -> frozenset[tuple[str, bytes]]:
    """Say what a probe of a virtual server would try."""
    return frozenset(
        (real.address, msgspec.json.encode(real.checks)) for real in pools if real.virtual_server == server.id
    )


def _is_real_at(place: Place, server: RealServer) -> bool:
    return place.address == server.address and place.port in (None, server.port) and place.protocol is None


def _or(names: Iterable[str]) -> str:
    return " or ".join(_some(sorted(names)))


def _some(names: Sequence[str]) -> list[str]:
    return [*names] if len(names) <= _NEAREST else [*names[:_NEAREST], f"{len(names) - _NEAREST} others"]


def _nearest(name: str, there: Iterable[str]) -> str:
    known = sorted(set(there))
    near = difflib.get_close_matches(
        name[:200].lower(), [each.lower() for each in known], _NEAREST, _LEAST_ALIKE
    )
    lowered = {each.lower(): each for each in known}
    found = [lowered[each] for each in near] or known
    return f"there is {listed(found, _NEAREST + 1)}"
