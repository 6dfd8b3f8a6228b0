"""Read the history stream: every state write and every event, in the order in which the bus took them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime

import msgspec
import nats.errors
import nats.js.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import ConsumerConfig, DeliverPolicy

from vipbus.bus.bus import Bus
from vipbus.bus.errors import BusAwayError
from vipbus.contracts import HISTORY_STREAM

_PATIENCE = 0.5
"""Seconds between two looks at whether the bus is still there."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One message of the history."""

    subject: str
    sequence: int
    """Its place in the history; a later one is greater."""
    stored: datetime
    """When the bus took it; ``ce-time`` of the headers is when it happened."""
    headers: Mapping[str, str]
    body: bytes
    behind: int = 0
    """Messages of the history that were still to come when this one was read; 0 at its end."""

    @property
    def removed(self) -> bool:
        """True for the write that removed a key, or for its expiry."""
        return "KV-Operation" in self.headers or "Nats-Marker-Reason" in self.headers


async def records(
    bus: Bus, subject: str, *, after: int = 0, tail: int = 0, follow: bool
) -> AsyncIterator[Record]:
    """Yield what the history holds on a subject after a sequence, and with ``follow`` what comes.

    With ``tail`` it begins so many messages of the history before its end.
    A history that was made anew since (its last sequence is smaller) is read from its beginning.

    Raises:
        BusAwayError: the bus went away, or refused; go on later with the last sequence seen. A consumer is
            never carried over a reconnect: it may be blind there.
    """
    lost = asyncio.Event()

    def look() -> None:
        if not bus.connected:
            lost.set()

    await bus.usable(0)
    bus.on_change.append(look)
    try:
        subscription, pending = await _open(bus, subject, after, tail)
        try:
            while follow or pending:
                if lost.is_set():
                    raise BusAwayError(f"the bus at {bus.address} went away")
                try:
                    message = await subscription.next_msg(timeout=_PATIENCE)
                except (TimeoutError, nats.errors.TimeoutError):
                    continue
                pending = int(message.metadata.num_pending)
                yield _record(message)
        finally:
            await _close(subscription)
    except (nats.errors.Error, nats.js.errors.Error, TimeoutError) as error:
        raise BusAwayError(f"the history at {bus.address} is not readable: {error}") from error
    finally:
        bus.on_change.remove(look)


async def _open(bus: Bus, subject: str, after: int, tail: int) -> tuple[Subscription, int]:
    """Subscribe; return the subscription and how much of the past it has still to bring."""
    js = bus.client().jetstream()
    if after or tail:
        last = (await js.stream_info(HISTORY_STREAM)).state.last_seq
        after = max(last - tail, 0) if tail else after if after <= last else 0
    subscription = await js.subscribe(
        subject,
        stream=HISTORY_STREAM,
        ordered_consumer=True,
        config=ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE if after else DeliverPolicy.ALL,
            opt_start_seq=after + 1 if after else None,
        ),
        idle_heartbeat=1.0,
    )
    info = await subscription.consumer_info()
    delivered = info.delivered.consumer_seq if info.delivered is not None else 0
    return subscription, int(info.num_pending or 0) + int(delivered or 0)


async def _close(subscription: Subscription) -> None:
    try:
        await subscription.unsubscribe()
    except nats.errors.Error:
        return  # the connection took it along


def _record(message: Msg) -> Record:
    return Record(
        subject=message.subject,
        sequence=message.metadata.sequence.stream,
        stored=message.metadata.timestamp,
        headers=message.headers or {},
        body=message.data,
        behind=int(message.metadata.num_pending),
    )
