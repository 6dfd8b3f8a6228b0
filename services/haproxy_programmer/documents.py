"""What the programmer says of its HAProxy on the bus: one document a pool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import msgspec

from haproxy_programmer.members import by_endpoint
from haproxy_programmer.metrics import MEMBERS
from haproxy_programmer.observed import Server, member_state
from haproxy_programmer.site import Site
from vipbus.bus import Bus, StateWriter
from vipbus.contracts import PROXY, ProxyMember, ProxyPool, ProxyPoolTable, name_token
from vipbus.contracts.proxy import MemberState
from vipbus.telemetry.trace import TraceContext

_STATES: tuple[MemberState, ...] = ("up", "down", "drain", "disabled", "draining")


def pool_table(
    pool: ProxyPool,
    site: Site,
    servers: Mapping[tuple[str, str], Server],
    *,
    revision: int,
    cause: str,
    error: str,
) -> ProxyPoolTable:
    """Say what HAProxy holds for a pool."""
    token = pool.id
    slots = site.slots_of(token)
    known = by_endpoint(site.members.get(token, ()))
    members = [
        ProxyMember(
            address=there.address,
            port=there.port,
            slot=name,
            state=member_state(there, configured=slot.endpoint in known),
            weight=min(there.weight, 256),
        )
        for name in slots.names
        if (slot := slots.held.get(name)) is not None and (there := servers.get((token, name))) is not None
    ]
    return ProxyPoolTable(
        router=pool.router,
        pool=pool.name,
        members=tuple(members),
        slots=slots.size,
        revision=revision,
        cause=cause,
        error=error,
    )


def unheard(
    pool: ProxyPool,
    last: Callable[[str], ProxyPoolTable | None],
    *,
    revision: int,
    cause: str,
    error: str,
) -> ProxyPoolTable:
    """Say why nothing is known of a pool now; what was known ``last``, by key, stands beside it."""
    empty = ProxyPoolTable(router=pool.router, pool=pool.name, revision=revision, cause=cause, error=error)
    known = last(empty.key)
    return empty if known is None else msgspec.structs.replace(known, error=error)


class Documents:
    """Writes the documents that changed, and deletes those of pools that are no more."""

    def __init__(self, bus: Bus, router: str) -> None:
        self._said: dict[str, ProxyPoolTable] = {}
        self._writer = StateWriter(bus, PROXY, same=_no_news)
        self._found = bus.follow(PROXY, f"{name_token(router)}.*")

    def say(self, document: ProxyPoolTable, trace: TraceContext) -> None:
        """Say it, if it is news; the cause alone is none."""
        said = self._said.get(document.key)
        if said is not None and _no_news(said, document):
            return
        self._said[document.key] = document
        self._writer.set(document.key, document, trace)
        counts = Counter([member.state for member in document.members])
        for state in _STATES:
            MEMBERS.set(counts[state], pool=document.pool, state=state)

    def last(self, key: str) -> ProxyPoolTable | None:
        """Give what was said last under a key, by a process before this one too."""
        if (said := self._said.get(key)) is not None:
            return said
        found = self._found.entries.get(key)
        return found.value if found is not None else None

    def keep_only(self, keys: set[str], trace: TraceContext) -> None:
        """Delete every document of this router but these."""
        for key in {*self._said, *self._found.entries} - keys:
            self._said.pop(key, None)
            self._writer.delete(key, trace)

    async def close(self, timeout: float) -> None:
        """Wait for what was said, ``timeout`` seconds at most, and stop."""
        await self._writer.flushed(timeout)
        await self._writer.close()


def _no_news(current: ProxyPoolTable, mine: ProxyPoolTable) -> bool:
    return msgspec.structs.replace(current, cause=mine.cause) == mine
