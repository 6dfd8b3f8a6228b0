"""A stream's messages in order and without a gap, or the word that there is one.

What the library calls an ordered consumer, on a direct subscription: an ephemeral consumer that pushes, with
flow control and a heartbeat. A gap, a consumer that the server has lost or a silence are not mended here:
whoever follows reads everything again, which is what a loss of the connection asks for too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

import nats.errors
from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from vipbus.bus import direct

HEARTBEAT: Final = 1.0
"""Seconds; so often the server says that it has nothing to say."""
_LOOK: Final = 2.0
"""Seconds between two looks at whether anything was heard."""
_SILENT_LOOKS: Final = 2
"""Looks without a word that are a loss; one alone may be this process that stood still."""
_ACK_WAIT: Final = 22 * 3600.0
_STATUS: Final = b"NATS/1.0 "
"""How the headers begin of what is no message of the stream."""
_LAST: Final = b"\r\nNats-Last-Consumer:"
_STALLED: Final = b"\r\nNats-Consumer-Stalled:"


class Place(NamedTuple):
    """Where a message stands (the reply subject of JetStream, $JS.ACK)."""

    stream: int
    """Its sequence in the stream."""
    consumer: int
    """Its place among what this consumer was sent, from 1."""
    pending: int
    """Messages that are still to come."""


def place(reply: bytes) -> Place:
    """Read a message's reply subject; the longer form has a domain and an account in front.

    Raises:
        ValueError: it is none.
    """
    tokens = reply.split(b".")
    first = 5 if len(tokens) == 9 else 7
    if len(tokens) < first + 4:
        raise ValueError(f"{reply!r} is no reply subject of JetStream")
    return Place(int(tokens[first]), int(tokens[first + 1]), int(tokens[first + 3]))


def header(headers: bytes, name: bytes) -> bytes | None:
    r"""Read a header's value; ``name`` as it stands there, ``\r\nName:`` with its own line's begin."""
    at = headers.find(name)
    if at < 0:
        return None
    at += len(name)
    return headers[at : headers.find(b"\r\n", at)].strip()


Receive = Callable[[bytes, bytes, bytes, Place], None]
"""Takes subject, headers and payload of a message, and where it stands."""


class Consumer:
    """One consumer; made by `consume`."""

    def __init__(
        self,
        client: Client,
        parser: direct.DirectParser,
        *,
        receive: Receive,
        on_loss: Callable[[], None],
        on_fault: Callable[[Exception], None],
    ) -> None:
        self._client = client
        self._parser = parser
        self._receive = receive
        self._on_loss = on_loss
        self._on_fault = on_fault
        self._subscription: Subscription | None = None
        self._expected = 1
        self._heard = True
        self._silent = 0
        self._ended = False
        self._look: asyncio.TimerHandle | None = None
        self._answers: set[asyncio.Task[None]] = set()

    async def open(self, js: JetStreamContext, stream: str, subject: str) -> bool:
        """Have the last of each subject pushed, then all that comes; True if there is nothing yet."""
        inbox = self._client.new_inbox()
        self._subscription = await direct.subscribe(self._client, self._parser, inbox, self._take)
        if self._ended:
            await self._unsubscribe()
            return False
        info = await js.add_consumer(
            stream,
            ConsumerConfig(
                deliver_subject=inbox,
                deliver_policy=DeliverPolicy.LAST_PER_SUBJECT,
                filter_subject=subject,
                ack_policy=AckPolicy.NONE,
                ack_wait=_ACK_WAIT,
                max_deliver=1,
                flow_control=True,
                idle_heartbeat=HEARTBEAT,
                num_replicas=1,
                mem_storage=True,
            ),
        )
        self._look = asyncio.get_running_loop().call_later(_LOOK, self._look_again)
        delivered = info.delivered.consumer_seq if info.delivered is not None else 0
        return info.num_pending == 0 and delivered == 0

    async def close(self) -> None:
        """Hear no more."""
        self._end()
        await self._unsubscribe()

    def _end(self) -> None:
        self._ended = True
        if self._look is not None:
            self._look.cancel()

    async def _unsubscribe(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            direct.forget(self._parser, subscription)
            await subscription.unsubscribe()

    # ---- what comes

    def _take(self, subject: bytes, reply: bytes, headers: bytes, payload: bytes) -> None:
        if self._ended:
            return
        self._heard = True
        try:
            try:
                if headers.startswith(_STATUS):
                    self._control(reply, headers)
                    return
                found = place(reply)
            except ValueError:
                return  # someone guessed where to send to; it is not the stream
            if found.consumer != self._expected:
                self._lose()
                return
            self._expected += 1
            self._receive(subject, headers, payload, found)
        except Exception as error:  # what the library would log and forget
            self._end()
            self._on_fault(error)

    def _control(self, reply: bytes, headers: bytes) -> None:
        """Answer what keeps the flow going, and compare what was sent with what was heard."""
        if reply:  # a request of flow control
            self._answer(reply)
            return
        if (stalled := header(headers, _STALLED)) is not None:
            self._answer(stalled)
        last = header(headers, _LAST)
        if last is not None and int(last) >= self._expected:
            self._lose()

    def _answer(self, subject: bytes) -> None:
        task = asyncio.get_running_loop().create_task(self._publish(subject.decode()))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _publish(self, subject: str) -> None:
        try:
            await self._client.publish(subject)
        except nats.errors.Error:
            return  # the connection is lost, and this consumer with it

    def _look_again(self) -> None:
        self._silent = 0 if self._heard else self._silent + 1
        self._heard = False
        if self._silent >= _SILENT_LOOKS:
            self._lose()
            return
        self._look = asyncio.get_running_loop().call_later(_LOOK, self._look_again)

    def _lose(self) -> None:
        self._end()
        self._on_loss()
