"""The commands that make a running HAProxy what it should be, without a reload. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from haproxy_programmer.observed import Server
from haproxy_programmer.slots import NOWHERE
from haproxy_programmer.wanted import DOWN, DRAIN, MAINT, READY, Wanted
from haproxy_programmer.writing import word

LONGEST: Final = 8192
"""Octets of a batch: HAProxy 3.4 refuses a line over 16 KiB."""
_SAFE: Final = "set severity-output number"
"""An error is told by its number at the line's beginning, whatever its words."""
_ADMIN: Final = {READY: "ready", MAINT: "maint", DRAIN: "drain"}
_FORCED: Final = MAINT | DRAIN


def plan(
    wanted: Mapping[tuple[str, str], Wanted], observed: Mapping[tuple[str, str], Server]
) -> tuple[str, ...]:
    """Give the commands; what is not there at all takes a reload and is left out here.

    A member goes before another comes into its slot, and what takes traffic away comes before what brings it.
    """
    leaving: list[str] = []
    coming: list[str] = []
    for key, each in wanted.items():
        there = observed.get(key)
        if there is None or _is(each, there):
            continue
        commands = tuple(_commands(f"{word(key[0])}/{word(key[1])}", each, there))
        leaves = each.admin in (MAINT, DRAIN) or each.up is False
        (leaving if leaves else coming).extend(commands)
    return (*leaving, *coming)


def _is(wanted: Wanted, there: Server) -> bool:
    """Say of most slots at most times that nothing is to be done, at little cost."""
    if wanted.agent is not None or (there.admin & _FORCED) != wanted.admin:
        return False
    if wanted.address is None:
        return there.address == NOWHERE[0] and there.port == NOWHERE[1]
    return (
        there.weight == wanted.weight
        and there.port == wanted.port
        and there.address == wanted.address
        and (wanted.up in (None, there.operational != DOWN) or wanted.admin == MAINT)
    )


def _commands(server: str, wanted: Wanted, there: Server) -> Iterator[str]:
    if wanted.agent is False and there.agent:
        yield f"disable agent {server}"
    if wanted.address is None:
        yield from _freed(server, there)
    else:
        yield from _member(server, wanted, there)
    if wanted.agent and not there.agent:
        yield f"enable agent {server}"


def _freed(server: str, there: Server) -> Iterator[str]:
    if there.admin & _FORCED != MAINT:
        yield f"set server {server} state maint"
    # two of one address, and HAProxy finds neither by it: what sticks to an address would go astray
    if (there.address, there.port) != NOWHERE:
        yield f"set server {server} addr {NOWHERE[0]} port {NOWHERE[1]}"


def _member(server: str, wanted: Wanted, there: Server) -> Iterator[str]:
    admin = there.admin & _FORCED
    moved = (there.address, there.port) != (wanted.address, wanted.port)
    if moved:
        if admin != MAINT:
            yield f"set server {server} state maint"
            admin = MAINT
        yield f"set server {server} addr {word(wanted.address or '')} port {int(wanted.port)}"
        if wanted.weight is None:
            yield f"set server {server} weight 100%"  # what it is now the agent of another member said
    if wanted.weight not in (None, there.weight):
        yield f"set server {server} weight {wanted.weight}"
    state = wanted.admin
    if state is None:  # it begins ready, and what its agent says of it stays
        state = READY if moved or not there.agent else admin
    if state != admin:
        yield f"set server {server} state {_ADMIN[state]}"
    # a server that becomes ready counts as up, whatever was said of its health before
    woken = state not in (admin, MAINT)
    if (
        wanted.up is not None
        and state != MAINT
        and (woken or moved or (there.operational != DOWN) != wanted.up)
    ):
        yield f"set server {server} health {'up' if wanted.up else 'down'}"


def batches(commands: Iterable[str]) -> Iterator[str]:
    """Put commands into lines of bounded length; each line is one connection's."""
    line, length = [_SAFE], len(_SAFE)
    for command in commands:
        if length + 2 + len(command) > LONGEST:
            yield "; ".join(line)
            line, length = [_SAFE], len(_SAFE)
        line.append(command)
        length += 2 + len(command)
    if len(line) > 1:
        yield "; ".join(line)
