"""What is to be checked: the configurations of all routers, turned into real servers and distinct checks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from vipbus.contracts import Check, Damping, Head, RealServer, UnreadPool
from vipbus.runtime.held import Entry
from vipbus.runtime.revision import Revision


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A real server of a virtual server, with every distinct check that any router asks for."""

    virtual_server: str
    real_server: str
    where: str
    """Its address and port for people: ``10.9.0.21:80``, ``[2001:db8::21]:80``."""
    checks: tuple[Check, ...]
    """At least one: whoever is not checked has no verdict."""
    vantages: int = 1
    """So many replicas check it; the same for every target of an address."""
    damping: Damping | None = None

    @property
    def key(self) -> str:
        """Where its verdict stands in the bucket ``health``."""
        return f"{self.virtual_server}.{self.real_server}"

    @property
    def address(self) -> str:
        """The token of its address without the port: what replicas share the work by."""
        return address_of(self.key)

    @property
    def settling(self) -> float:
        """Seconds within which each of its checks has had a round."""
        return max(check.interval + check.jitter + check.timeout for check in self.checks)


def address_of(key: str) -> str:
    """Take the address's token out of a key of the bucket ``health``.

    From the key alone, so that the replicas agree also on who clears up after a server that is gone.
    """
    return key.rpartition(".")[2].rpartition("_")[0]


def place(address: str, port: int) -> str:
    """Write an address and port for people (RFC 3986 brackets around IPv6)."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class Targets:
    """Finds the targets of configurations; a pool that is as it was is not read again."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, int], tuple[UnreadPool, tuple[Target, ...]]] = {}

    def of(self, revisions: Iterable[Revision]) -> dict[str, Target]:
        """Gather the checked real servers of all routers by key; routers that share one share its verdict."""
        before, self._known = self._known, {}
        found: dict[str, Target] = {}
        for revision in revisions:
            _gather(_targets(revision.real_servers), found)
            for pool in revision.unread:
                place = pool.router, pool.pool, pool.part
                known = before.get(place)
                if known is None or known[0] is not pool:
                    known = pool, tuple(_targets(pool.members()))
                self._known[place] = known
                _gather(known[1], found)
        return _of_one_mind(found)


def _targets(servers: Iterable[RealServer]) -> Iterator[Target]:
    for server in servers:
        if server.checks:
            yield Target(
                virtual_server=server.virtual_server,
                real_server=server.id,
                where=place(server.address, server.port),
                checks=tuple(sorted(set(server.checks), key=repr)),
                vantages=server.vantages,
                damping=server.damping,
            )


def _gather(targets: Iterable[Target], found: dict[str, Target]) -> None:
    for target in targets:
        before = found.get(target.key)
        found[target.key] = target if before is None else _together(before, target)


def _together(one: Target, other: Target) -> Target:
    """Make one target of what two routers ask for."""
    return msgspec.structs.replace(
        one,
        checks=tuple(sorted({*one.checks, *other.checks}, key=repr)),
        vantages=max(one.vantages, other.vantages),
        damping=one.damping or other.damping,
    )


def _of_one_mind(targets: dict[str, Target]) -> dict[str, Target]:
    """Give the targets of one address the vantages of the one that wants the most.

    Checks are shared by all of them, and each is made by the same replicas.
    """
    most: dict[str, int] = {}
    for target in targets.values():
        most[target.address] = max(target.vantages, most.get(target.address, 1))
    return {
        key: target
        if target.vantages == most[target.address]
        else msgspec.structs.replace(target, vantages=most[target.address])
        for key, target in targets.items()
    }


def everything_known(entries: Mapping[str, Entry], revisions: Mapping[str, Revision]) -> bool:
    """Say whether ``revisions`` holds all there is: every router's newest configuration, whole.

    Only then is a real server that is in none of them really gone. Entities come before the head that
    names them, so a router that is just being published has keys and no head yet. A bucket without any
    router tells of nothing: it may have been made anew.
    """
    routers = {key.partition(".")[0] for key in entries}
    heads = {key.partition(".")[0]: entry.value for key, entry in entries.items() if key.endswith(".head")}
    return (
        bool(routers)
        and routers == set(heads) == set(revisions)
        and all(isinstance(head, Head) and revisions[token].head == head for token, head in heads.items())
    )
