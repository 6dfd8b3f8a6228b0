"""Events: what happens but is no state."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

import msgspec
import nats.errors
import nats.js.errors
from nats.aio.msg import Msg

from vipbus.bus.address import BusAddress
from vipbus.bus.connection import Connection
from vipbus.bus.envelope import headers as envelope_headers
from vipbus.bus.words import in_words
from vipbus.contracts import Event
from vipbus.contracts.limits import UNREADABLE
from vipbus.telemetry.trace import TraceContext

log = logging.getLogger(__name__)
E = TypeVar("E", bound=Event)

_EVENTS_KEPT = 1000
"""Events kept while the bus is away; the oldest go first."""


class Events(Connection):
    """Publishing events and hearing them."""

    def __init__(self, address: BusAddress, *, source: str) -> None:
        super().__init__(address, source=source)
        self._waiting_events: list[tuple[Event, dict[str, str]]] = []
        self._publishing = asyncio.Lock()

    async def _catch_up(self) -> None:
        await super()._catch_up()
        await self._publish_waiting()

    async def publish(self, event: Event, trace: TraceContext) -> None:
        """Publish an event; while the bus is away it waits here, with the time at which it happened."""
        head = envelope_headers(f"vipbus.event.{event.aggregate}.{event.verb}", self.source, trace)
        self._waiting_events.append((event, head))
        del self._waiting_events[:-_EVENTS_KEPT]
        if self.connected:
            await self._publish_waiting()

    async def _publish_waiting(self) -> None:
        js = self._require(usable=False)
        async with self._publishing:
            while self._waiting_events:
                event, head = self._waiting_events[0]
                body = msgspec.json.encode(event)
                try:
                    # the id makes a repeat after an unknown outcome harmless
                    await js.publish(event.subject, body, headers={**head, "Nats-Msg-Id": head["ce-id"]})
                except nats.errors.MaxPayloadError:
                    # it would stand in the way of all that come after it
                    log.warning("%s is not published: %s", event.subject, self._too_large(body))
                except (nats.errors.Error, nats.js.errors.Error, TimeoutError) as error:
                    log.debug("event kept for later: %s", in_words(error))
                    return
                # only now: a loss in the middle cancels this, and the event must still be here
                if self._waiting_events and self._waiting_events[0][1] is head:
                    self._waiting_events.pop(0)

    def listen(self, kind: type[E], on_event: Callable[[E], None]) -> None:
        """Have a function called with every event of a kind that is published from now on.

        What happens while the bus is away is missed: that is for hints, and never for state.
        """
        decoder = msgspec.json.Decoder(kind)
        subject = f"vipbus.event.{kind.aggregate}.*.{kind.verb}"
        listens = False

        async def receive(message: Msg) -> None:
            try:
                event = decoder.decode(message.data)
            except UNREADABLE as error:
                log.debug("%s is not readable: %s", message.subject, error)
            else:
                self._call(lambda: on_event(event))

        async def subscribe() -> None:
            nonlocal listens
            if not listens:  # over a reconnect the client itself takes a plain subscription along
                await self._client.subscribe(subject, cb=receive)
                listens = True

        self.when_ready(subscribe)
