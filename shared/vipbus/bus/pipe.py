"""Many requests to JetStream on their way at once, each with an answer of its own.

Thousands of writes one after the other would be thousands of times the way to the server and back; the
library's own way of having many in flight takes a future and a queue for each.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec
import nats.errors
from nats.aio.client import Client

from vipbus.bus import direct

_IN_FLIGHT: Final = 2048
"""Requests without an answer yet: enough to keep the server busy, few enough for any buffer."""
_AT_ONCE: Final = 256
"""Requests handed to the socket together."""
_LOOK: Final = 0.25
"""Seconds of silence after which the connection is looked at."""


class Request(NamedTuple):
    """One message that JetStream stores and acknowledges."""

    subject: str
    body: bytes
    headers: str
    """Beyond those that all of the series have, as they stand on the wire: each with its line's end."""


def lines(headers: Mapping[str, str]) -> str:
    """Write headers as they stand on the wire; a value stays one line, as the library has it."""
    return "".join(f"{name}: {' '.join(value.split())}\r\n" for name, value in headers.items())


class _Error(msgspec.Struct, frozen=True):
    err_code: int = 0
    description: str = ""


class Answer(msgspec.Struct, frozen=True):
    """What JetStream said: the sequence that the message has, or why there is none."""

    seq: int = 0
    error: _Error | None = None


class Pipe:
    """One series of requests; ``timeout`` seconds without any answer end it."""

    def __init__(self, client: Client, parser: direct.DirectParser, timeout: float) -> None:
        self._client = client
        self._parser = parser
        self._timeout = timeout
        self._answers: dict[int, Answer] = {}
        self._moved = asyncio.Event()
        self._decode = msgspec.json.Decoder(Answer).decode
        self._problem: Exception | None = None
        self._connection = client.stats["reconnects"]

    async def ask(self, common: str, requests: Iterable[Request], count: int) -> list[Answer]:
        """Send all of them, in their order, and give the answers in the same.

        ``common`` are the headers that each of them has.

        Raises:
            nats.errors.Error: the connection does not take them.
            TimeoutError: an answer is missing.
        """
        inbox = self._client.new_inbox()
        subscription = await direct.subscribe(self._client, self._parser, f"{inbox}.*", self._take)
        try:
            numbered = enumerate(requests)
            sent = 0
            while piece := list(itertools.islice(numbered, _AT_ONCE)):
                await self._until(sent + len(piece) - _IN_FLIGHT)
                await self._send(common, piece, inbox)
                sent += len(piece)
            await self._until(count)
            return [self._answers[number] for number in range(count)]
        finally:
            direct.forget(self._parser, subscription)
            if not self._client.is_closed:
                await subscription.unsubscribe()

    async def _until(self, count: int) -> None:
        """Wait until so many are answered."""
        loop = asyncio.get_running_loop()
        heard = loop.time()
        while self._problem is None and len(self._answers) < count:
            self._moved.clear()
            try:
                async with asyncio.timeout(_LOOK):
                    await self._moved.wait()
            except TimeoutError:
                if self._is_another_connection():
                    raise nats.errors.ConnectionReconnectingError from None
                if loop.time() - heard > self._timeout:
                    raise
            else:
                heard = loop.time()
        if self._problem is not None:
            raise self._problem

    def _is_another_connection(self) -> bool:
        """Say whether the one that was asked is gone: what it did not answer is answered no more."""
        return not self._client.is_connected or self._client.stats["reconnects"] != self._connection

    async def _send(self, common: str, piece: list[tuple[int, Request]], inbox: str) -> None:
        if not self._client.is_connected:
            raise nats.errors.ConnectionReconnectingError
        parts: list[bytes] = []
        for number, (subject, body, headers) in piece:
            if len(body) > self._client.max_payload:
                raise nats.errors.MaxPayloadError
            head = f"NATS/1.0\r\n{common}{headers}\r\n".encode()
            parts.append(f"HPUB {subject} {inbox}.{number} {len(head)} {len(head) + len(body)}\r\n".encode())
            parts += (head, body, b"\r\n")
        await direct.send(self._client, b"".join(parts))

    def _take(self, subject: bytes, _reply: bytes, headers: bytes, body: bytes) -> None:
        try:
            number = int(subject.rpartition(b".")[2])
            if headers.startswith(b"NATS/1.0 503"):
                raise nats.errors.NoRespondersError
            self._answers[number] = self._decode(body)
        except (ValueError, msgspec.MsgspecError, nats.errors.Error) as error:
            self._problem = error if isinstance(error, nats.errors.Error) else nats.errors.Error(str(error))
        self._moved.set()
