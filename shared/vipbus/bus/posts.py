"""Single requests to JetStream, sent the moment they are made, as many on their way as there are.

The library hands a request from task to task before it is on the wire, and each step gives the processor to
whoever waits for it. A verdict is one request and has a millisecond or two for all of its way.
"""

from __future__ import annotations

import asyncio
import itertools
from functools import partial

import msgspec
import nats.errors
from nats.aio.client import Client

from vipbus.bus import direct
from vipbus.bus.pipe import Answer, Request


class Posts:
    """Of one client, over all of its connections; ``timeout`` seconds without an answer end a request."""

    def __init__(self, client: Client, parser: direct.DirectParser, timeout: float) -> None:
        self._client = client
        self._parser = parser
        self._timeout = timeout
        self._inbox = ""
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._decode = msgspec.json.Decoder(Answer).decode

    async def open(self) -> None:
        """Make sure that answers are heard; over a reconnect the client itself takes the subscription along.

        Raises:
            nats.errors.Error: the connection does not take it.
        """
        if not self._inbox:
            inbox = self._client.new_inbox()
            await direct.subscribe(self._client, self._parser, f"{inbox}.*", self._take)
            self._inbox = inbox

    def send(self, common: str, request: Request) -> asyncio.Future[Answer]:
        """Send a request now; the answer comes later, or one of nats.errors.Error or TimeoutError.

        ``common`` are headers as they stand on the wire, in front of the request's own.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        try:
            number = self._sent(common, request)
        except nats.errors.Error as error:
            answer.set_exception(error)
            return answer
        self._waiting[number] = answer
        timer = loop.call_later(self._timeout, self._end, number, TimeoutError())
        answer.add_done_callback(partial(self._over, number, timer))
        return answer

    def lost(self) -> None:
        """Note that the connection is gone: what it did not answer is answered no more."""
        for number in list(self._waiting):
            self._end(number, nats.errors.ConnectionReconnectingError())

    def _sent(self, common: str, request: Request) -> int:
        if not self._inbox or not self._client.is_connected:
            raise nats.errors.ConnectionReconnectingError
        subject, body, headers = request
        if len(body) > self._client.max_payload:
            raise nats.errors.MaxPayloadError
        number = next(self._numbers)
        head = f"NATS/1.0\r\n{common}{headers}\r\n".encode()
        line = f"HPUB {subject} {self._inbox}.{number} {len(head)} {len(head) + len(body)}\r\n".encode()
        direct.post(self._client, b"".join((line, head, body, b"\r\n")))
        return number

    def _over(self, number: int, timer: asyncio.TimerHandle, answer: asyncio.Future[Answer]) -> None:
        timer.cancel()
        del self._waiting[number]
        if not answer.cancelled():
            answer.exception()  # whoever asked may have ended meanwhile: that is nobody's fault

    def _end(self, number: int, error: Exception) -> None:
        answer = self._waiting.get(number)
        if answer is not None and not answer.done():
            answer.set_exception(error)

    def _take(self, subject: bytes, _reply: bytes, headers: bytes, body: bytes) -> None:
        number = subject.rpartition(b".")[2]
        answer = self._waiting.get(int(number)) if number.isdigit() else None
        if answer is None or answer.done():
            return  # it comes too late
        if headers.startswith(b"NATS/1.0 503"):
            answer.set_exception(nats.errors.NoRespondersError())
            return
        try:
            answer.set_result(self._decode(body))
        except msgspec.MsgspecError as error:
            answer.set_exception(nats.errors.Error(str(error)))
