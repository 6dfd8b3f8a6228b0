"""A grpclib channel over one `health_prober.stream`, which ends whatever a hostile server does.

asyncio's own transport for TLS would be left open by a time-out that comes before its first step (CPython
3.11): the channel has a transport here that owns nothing, and two tasks that move the octets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from grpclib.client import Channel, Handler
from grpclib.config import Configuration
from grpclib.encoding.proto import ProtoCodec
from grpclib.protocol import H2Protocol
from h2.config import H2Configuration
from h2.events import (
    AlternativeServiceAvailable,
    ConnectionTerminated,
    Event,
    InformationalResponseReceived,
    StreamReset,
    UnknownFrameReceived,
)

from health_prober import causes
from health_prober.attempt import CheckFailedError
from health_prober.causes import quoted
from health_prober.http2 import Frames, code_name
from health_prober.stream import Stream

_MOST: Final = 1 << 15
"""Octets that a server may send: an answer takes a few hundred."""
_IGNORED: Final = (AlternativeServiceAvailable, InformationalResponseReceived, UnknownFrameReceived)
"""What a server may send (RFC 9113, section 5.5) and grpclib takes for an error."""
_H2: Final = H2Configuration(
    client_side=True,
    header_encoding="ascii",
    validate_inbound_headers=False,
    validate_outbound_headers=False,
    normalize_inbound_headers=False,
    normalize_outbound_headers=False,
)
"""As grpclib has it."""
_Reply = TypeVar("_Reply")


class SteeredChannel(Channel):
    """A channel with one connection that is there already.

    Args:
        stream: Stays with whoever opened it.
        authority: The pseudo-header (RFC 9113, section 8.3.1).
        secure: Whether the stream is by TLS.
    """

    def __init__(self, stream: Stream, authority: str, *, secure: bool) -> None:
        super().__init__(codec=ProtoCodec())
        self._authority = authority
        self._scheme = "https" if secure else "http"
        self._stream = stream
        self._outbox = _Outbox()
        self._connection = _Connection()
        self._connection.connection_made(self._outbox)

    @property
    def cause(self) -> str:
        """Why no answer will come; empty: it still may."""
        return self._connection.cause

    async def __connect__(self) -> H2Protocol:
        """For grpclib."""
        return self._connection

    async def carry(self, call: Awaitable[_Reply]) -> _Reply:
        """Move octets until a call has ended, one way or the other.

        Raises:
            CheckFailedError: the connection ended first.
        """
        # in a task of its own: grpclib cancels the one that waits when the connection ends
        asked = asyncio.ensure_future(call)
        tasks = (asked, asyncio.ensure_future(self._read()), asyncio.ensure_future(self._write()))
        try:
            await asyncio.wait((asked,))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            for task in tasks:
                _ = task.cancelled() or task.exception()  # it is known, and asyncio need not log it
        if asked.cancelled():
            raise CheckFailedError(self.cause or "no gRPC answer")
        return asked.result()

    async def _read(self) -> None:
        try:
            while octets := await self._stream.receive():
                self._connection.data_received(octets)
                await asyncio.sleep(0)  # a server that always has more would let nobody else work
            self._connection.lost("")
        except CheckFailedError as error:
            self._connection.lost(str(error))
        except OSError as error:
            self._connection.lost(causes.failed(error.errno or 0))

    async def _write(self) -> None:
        try:
            while True:
                await self._stream.send(await self._outbox.taken())
        except OSError as error:
            self._connection.lost(causes.failed(error.errno or 0))


class _Outbox(asyncio.Transport):
    """What grpclib takes for a transport: it keeps what is to be sent, and owns nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._closing = False
        self._octets = bytearray()
        self._filled = asyncio.Event()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._octets += data
        self._filled.set()

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True

    async def taken(self) -> bytes:
        """Wait for something to send and take it."""
        await self._filled.wait()
        self._filled.clear()
        octets = bytes(self._octets)
        self._octets.clear()
        return octets


class _Connection(H2Protocol):
    """A connection that takes only so much, and knows why it ended."""

    def __init__(self) -> None:
        super().__init__(Handler(), Configuration().__for_client__(), _H2)
        self.cause = ""
        self._frames = Frames(_MOST, _MOST)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        ignored = dict.fromkeys(_IGNORED, _ignore)
        ended = {StreamReset: self._reset, ConnectionTerminated: self._gone}
        self.processor.processors.update({**ignored, **ended})

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._frames.cut(data):
                for event in self.connection.feed(frame):
                    self.processor.process(event)
                    if self.cause:
                        return
                self.connection.flush()
        except CheckFailedError as error:
            self.lost(str(error))
        except Exception as error:  # no octets of a server's are a fault of ours
            self.lost(f"broken HTTP/2 ({quoted(str(error))})")

    def lost(self, cause: str) -> None:
        """End it, for this cause if there is none yet; empty: the server closed it."""
        self.cause = self.cause or cause or self._frames.ended()
        self.processor.close(self.cause)

    def _reset(self, event: StreamReset) -> None:
        self.cause = self.cause or f"request refused ({code_name(event.error_code)})"
        self.processor.process_stream_reset(event)

    def _gone(self, event: ConnectionTerminated) -> None:
        self.lost(f"connection ended by the server ({code_name(event.error_code)})")


def _ignore(_: Event) -> None:
    """Nothing of it matters."""
