"""A short way for messages that come in their ten thousands: from the socket's bytes to a function, at once.

A large configuration is thousands of messages to every consumer, and its verdicts are tens of thousands. The
library takes some hundred microseconds for each: three regular expressions, an object, a queue, a task, a
coroutine. Here the messages of a few subscriptions are cut out of what was read and handed on; all others go
the library's own way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.aio.transport import Transport
from nats.protocol.parser import Parser

Receive = Callable[[bytes, bytes, bytes, bytes], None]
"""Takes subject, reply, header and payload of a message; may not raise."""

_MESSAGES = (b"MSG", b"HMSG")


class DirectParser(Parser):
    """The library's parser behind one that knows the direct subscriptions.

    The library's own is given whole messages and whole lines only, so that it never holds half of one.
    """

    def __init__(self, client: Client) -> None:
        self.direct: dict[bytes, Receive] = {}
        """By the subscription's number."""
        self._rest = b""
        super().__init__(client)

    def reset(self) -> None:
        """Forget what was read; the connection is another one."""
        self._rest = b""
        super().reset()

    async def parse(self, data: bytes = b"") -> None:
        """Take what was read."""
        if data:
            # any byte is a sign of life: behind thousands of messages the answer to a ping comes late
            self.nc._pings_outstanding = 0  # noqa: SLF001  # the library waits for that answer alone
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        while at < end:
            line = data.find(b"\r\n", at)
            if line < 0:
                break
            words = data[at:line].split()
            after = line + 2
            if not words or words[0] not in _MESSAGES or not _has_sizes(words):
                # no message, or one that is malformed: the library says so
                self._rest = data[after:]
                await self._library(data[at:after])
                data, at, end = self._rest, 0, len(self._rest)
                continue
            until = after + int(words[-1])
            if until + 2 > end:
                break
            receive = self.direct.get(words[2])
            if receive is None:
                self._rest = data[until + 2 :]
                await self._library(data[at : until + 2])
                data, at, end = self._rest, 0, len(self._rest)
                continue
            if words[0] == b"HMSG":
                body = after + int(words[-2])
                receive(words[1], words[3] if len(words) == 6 else b"", data[after:body], data[body:until])
            else:
                receive(words[1], words[3] if len(words) == 5 else b"", b"", data[after:until])
            at = until + 2
        self._rest = data[at:]

    async def _library(self, piece: bytes) -> None:
        await super().parse(piece)


def _has_sizes(words: list[bytes]) -> bool:
    if words[0] == b"MSG":
        return 4 <= len(words) <= 5 and words[-1].isdigit()
    return 5 <= len(words) <= 6 and words[-1].isdigit() and words[-2].isdigit()


def install(client: Client) -> DirectParser:
    """Give a client that is not connected yet this parser."""
    parser = DirectParser(client)
    client._ps = parser  # noqa: SLF001  # there is no other way in; the library's version is pinned
    return parser


async def subscribe(client: Client, parser: DirectParser, subject: str, receive: Receive) -> Subscription:
    """Subscribe with a function that is called while the socket's bytes are read."""

    async def never(_message: Msg) -> None:
        """Nothing comes this way."""

    subscription = await client.subscribe(subject, cb=never)
    parser.direct[_number(subscription)] = receive
    return subscription


def forget(parser: DirectParser, subscription: Subscription) -> None:
    """Hear no more of a subscription."""
    parser.direct.pop(_number(subscription), None)


def _number(subscription: Subscription) -> bytes:
    return str(subscription._id).encode()  # noqa: SLF001  # what the server calls it


def post(client: Client, commands: bytes) -> Transport:
    """Send commands of NATS's protocol as they stand, behind what the library holds back.

    Raises:
        nats.errors.ConnectionClosedError: there is none.
    """
    transport = client._transport  # noqa: SLF001  # there is no other way in
    if transport is None or _is_closed(transport):
        raise nats.errors.ConnectionClosedError
    waiting, client._pending, client._pending_data_size = client._pending, [], 0  # noqa: SLF001
    transport.writelines([*waiting, commands])
    return transport


async def send(client: Client, commands: bytes) -> None:
    """Send commands as `post` does, and wait while the socket is full.

    The library's own way to wait there loses a cancellation.

    Raises:
        nats.errors.ConnectionClosedError: there is none.
    """
    await post(client, commands).drain()  # type: ignore[no-untyped-call]  # the library's


def forget_unsent(client: Client) -> None:
    """Drop what waits for a transport that is closed: from Python 3.12 on the library's close fails on it."""
    transport = client._transport  # noqa: SLF001  # there is no other way in
    if transport is not None and _is_closed(transport):
        client._pending, client._pending_data_size = [], 0  # noqa: SLF001


def _is_closed(transport: object) -> bool:
    writer = getattr(transport, "_io_writer", None)
    return isinstance(writer, asyncio.StreamWriter) and writer.is_closing()
