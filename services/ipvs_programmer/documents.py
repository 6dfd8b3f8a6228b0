"""What the programmer says of its table on the bus: one document a virtual server, one an instance."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec

from ipvs_programmer import constants as c
from ipvs_programmer.desired import Arranged, Configured, Layout
from ipvs_programmer.table import Destination as Held
from ipvs_programmer.table import Pool
from ipvs_programmer.translate import FORWARDING, SCHEDULER_FLAGS, configured_tunnel, service_of
from ipvs_programmer.weights import Origin
from vipbus.bus import Bus, StateWriter
from vipbus.contracts import (
    TABLE,
    Destination,
    ForwardingMethod,
    InstanceTable,
    TableDocument,
    VirtualServerTable,
    name_token,
)
from vipbus.contracts.limits import UNREADABLE
from vipbus.telemetry.trace import TraceContext

_decode: Final = msgspec.json.Decoder[TableDocument](TableDocument).decode
_NEVER = datetime.fromtimestamp(0, UTC)


_FORWARDING: Final[dict[int, ForwardingMethod]] = {each.value: word for word, each in FORWARDING.items()}
_UNKNOWN: Final = Origin()


def virtual_server_table(
    server: Configured,
    pool: Pool | None,
    arranged: Arranged | None = None,
    *,
    revision: int,
    epoch: int,
    error: str,
    held: Collection[str] = (),
) -> VirtualServerTable:
    """Say what the kernel holds for a virtual server; without cause and time, which `Documents` adds.

    ``arranged`` tells where the weights come from; what the kernel has beside it is in no configuration.
    """
    virtual = server.virtual_server
    origins = arranged.origins if arranged is not None else {}
    service = pool.service if pool is not None else server.leaving or service_of(server.key, virtual)
    return VirtualServerTable(
        router=virtual.router,
        virtual_server=virtual.id,
        address=virtual.address,
        port=virtual.port,
        protocol=virtual.protocol,
        mark=virtual.mark,
        family=virtual.family,
        scheduler=service.scheduler,
        scheduler_flags=tuple(word for word, bit in SCHEDULER_FLAGS.items() if service.flags & bit),
        persistence_timeout=service.timeout if service.flags & c.IP_VS_SVC_F_PERSISTENT else 0,
        one_packet=bool(service.flags & c.IP_VS_SVC_F_ONEPACKET),
        programmed=pool is not None,
        destinations=tuple(
            _destination(each, method, origins.get(key, _UNKNOWN))
            for key, each in sorted(pool.destinations.items())
            if (method := _FORWARDING.get(each.forwarding)) is not None
        )
        if pool is not None
        else (),
        revision=revision,
        epoch=epoch,
        since=_NEVER,
        cause="",
        error=error,
        held=tuple(sorted(held)) if pool is not None else (),
        quorum=arranged.quorum if arranged is not None else True,
        live_weight=arranged.live_weight if arranged is not None else 0,
    )


def _destination(held: Held, forwarding: ForwardingMethod, origin: Origin) -> Destination:
    return Destination(
        address=held.key.address,
        port=held.key.port,
        weight=held.weight,
        forwarding=forwarding,
        tunnel=configured_tunnel(held.tunnel) if held.tunnel is not None else None,
        upper_threshold=held.upper_threshold,
        lower_threshold=held.lower_threshold,
        configured=origin.configured,
        checked=origin.checked,
        ramp=origin.ramp,
        operator=origin.operator,
        reason=origin.reason,
        until=origin.until,
    )


def instance_table(
    router: str, instance: str, pools: Iterable[Pool | None], *, epoch: int, revision: int, error: str
) -> InstanceTable:
    """Say whether the table behind an instance's addresses stands; None is a pool that is not there."""
    held = list(pools)
    present = [pool for pool in held if pool is not None]
    return InstanceTable(
        router=router,
        instance=instance,
        epoch=epoch,
        armed=len(present) == len(held) and not error,
        virtual_servers=len(present),
        destinations=sum(len(pool.destinations) for pool in present),
        revision=revision,
        error=error,
    )


def document_keys(layout: Layout, leaving: Iterable[Configured] = ()) -> set[str]:
    """Give the key of every document that a revision has, and what is leaving it."""
    return {
        *(
            virtual_server_table(server, None, revision=0, epoch=0, error="").key
            for server in (*layout.servers.values(), *leaving)
        ),
        *(
            instance_table(instance.router, instance.name, (), epoch=0, revision=0, error="").key
            for instance in layout.revision.instances
        ),
    }


class Documents:
    """Writes the documents that changed, and deletes those of what is no longer configured."""

    def __init__(self, bus: Bus, router: str, *, wake: Callable[[], None]) -> None:
        self._token = name_token(router)
        self._said: dict[str, TableDocument] = {}
        # two writers: a role's answer must not wait behind the documents of a large table
        self._instances: StateWriter[TableDocument] = StateWriter(bus, TABLE)
        self._servers: StateWriter[TableDocument] = StateWriter(bus, TABLE, same=_no_news)
        self._was_whole = False
        self._wake = wake
        # what stands there is ours: it is read where it is asked for, and the bytes are those that were said
        self._found = bus.follow(
            msgspec.structs.replace(TABLE, document=msgspec.Raw),
            f"{self._token}.>",
            on_change=self._on_change,
            own=self._servers.body,
        )

    def instance(self, document: InstanceTable, trace: TraceContext) -> bool:
        """Say it, if it is news; True when it is."""
        if self._said.get(document.key) == document:
            return False
        self._said[document.key] = document
        self._instances.set(document.key, document, trace)
        return True

    def virtual_server(self, document: VirtualServerTable, cause: str, trace: TraceContext) -> None:
        """Say it with its cause and the time, if it is news.

        A table that rests on another revision or epoch and holds the same is as it was since it was so.
        """
        said, since = self._said.get(document.key), datetime.now(UTC)
        if said is not None and _no_news(said, document):
            return
        if said is None or _held(said) == _held(document):
            # what stands on the bus goes first: it may be of an earlier life
            for before in (self._standing(document.key), said):
                if isinstance(before, VirtualServerTable) and _held(before) == _held(document):
                    cause, since = before.cause, before.since
                    break
        full = msgspec.structs.replace(document, cause=cause, since=since)
        self._said[document.key] = full
        self._servers.set(document.key, full, trace)

    def keep_only(self, keys: set[str], trace: TraceContext) -> None:
        """Delete every document of this router but these, those of an earlier life included."""
        for key in {*self._said, *self._found.entries} - keys:
            self._said.pop(key, None)
            writer = self._instances if f"{self._token}.instance." in key else self._servers
            writer.delete(key, trace)

    def _standing(self, key: str) -> TableDocument | None:
        """Read what stands on the bus; None: nothing, or nothing readable."""
        found = self._found.entries.get(key)
        try:
            return _decode(found.body) if found is not None else None
        except UNREADABLE:
            return None

    @property
    def whole(self) -> bool:
        """True while it is known which documents stand on the bus."""
        return self._found.live

    def _on_change(self) -> None:
        # only the picture's coming is news; each write that comes back is not
        if self._found.live != self._was_whole:
            self._was_whole = self._found.live
            self._wake()

    async def flushed(self, timeout: float) -> None:
        """Wait until everything said is written, ``timeout`` seconds at most."""
        await self._instances.flushed(timeout)
        await self._servers.flushed(timeout)

    async def close(self) -> None:
        """Stop writing."""
        await self._instances.close()
        await self._servers.close()


def _no_news(current: TableDocument, mine: TableDocument) -> bool:
    """Say whether two documents differ in no more than when and why."""
    if not isinstance(current, VirtualServerTable) or not isinstance(mine, VirtualServerTable):
        return current == mine
    return msgspec.structs.replace(current, since=mine.since, cause=mine.cause) == mine


def _held(document: TableDocument) -> TableDocument:
    """Take a document for what the kernel holds alone."""
    if isinstance(document, VirtualServerTable):
        return msgspec.structs.replace(document, revision=0, epoch=0, since=_NEVER, cause="")
    return document
