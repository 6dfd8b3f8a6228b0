"""One request over HTTP/2 (RFC 9113), with h2; also what keeps any reader of HTTP/2 within bounds.

h2 takes whatever a server sends and waits for the end of a frame before it looks at its length. So octets are
cut into frames here first: the first must be SETTINGS, none may be long, and there may not be many that carry
no content.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from health_prober.attempt import CheckFailedError, NotTriedError, Steps
from health_prober.causes import quoted
from health_prober.http_judge import MOST_CONTENT, Answer, blamed, fields_of, host_of
from health_prober.stream import Stream
from vipbus.contracts import HttpCheck, HttpRequest

ALPN: Final = "h2"
_MOST_OVERHEAD: Final = 1 << 17
"""Octets that carry no content: a header of the size that we allow, and some talk."""
_MOST_HEADER: Final = 1 << 16
"""Octets of a response's header, as with HTTP/1."""
_FRAME_HEADER: Final = 9
_MOST_FRAME: Final = 1 << 14
"""Octets of a frame (RFC 9113, section 4.2); we allow no larger ones."""
_FRAME_COST: Final = 128
"""Octets that a frame counts for beside its payload: each costs some 50 us, however short it is."""
_DATA, _SETTINGS, _GOAWAY = 0, 4, 7
_PADDED = 8
_STREAM: Final = 1
"""The first of a client (RFC 9113, section 5.1.1), and the only one."""
_HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te", "host"}
)
"""Fields that a request over HTTP/2 does not have (RFC 9113, section 8.2.2)."""


class Frames:
    """Cuts what a server sends into whole frames.

    Args:
        most: Octets that are taken in all.
        most_overhead: Octets that may carry no content, a frame counting for `_FRAME_COST` of them.
    """

    def __init__(self, most: int, most_overhead: int) -> None:
        self._most = most
        self._most_overhead = most_overhead
        self._buffer = bytearray()
        self._read = 0
        self._overhead = 0
        self._began = False

    def cut(self, octets: bytes) -> Iterator[bytes]:
        """Take what came and give each frame that is whole now, but for one: GOAWAY without an error.

        That one says that no further request will be served (RFC 9113, section 6.8), which nobody asked
        for, and h2 would take no response any more after it.

        Raises:
            CheckFailedError: it is no HTTP/2, or has no end.
        """
        self._read += len(octets)
        self._buffer += octets
        if not self._began and len(self._buffer) >= _FRAME_HEADER:
            self._began = True
            if self._buffer[3] != _SETTINGS or int.from_bytes(self._buffer[5:9]) != 0:
                raise CheckFailedError(self._no_http2())
        while len(self._buffer) >= _FRAME_HEADER:
            length, kind = int.from_bytes(self._buffer[:3]), self._buffer[3]
            if length > _MOST_FRAME:
                raise CheckFailedError(f"broken HTTP/2 (a frame of {length} octets)")
            if len(self._buffer) < _FRAME_HEADER + length:
                break
            frame = bytes(self._buffer[: _FRAME_HEADER + length])
            del self._buffer[: _FRAME_HEADER + length]
            self._overhead += _FRAME_COST + length - min(_content(frame), _FRAME_COST) - _content(frame)
            if not (kind == _GOAWAY and _is_graceful(frame)):
                yield frame
            if self._overhead > self._most_overhead:
                raise CheckFailedError("endless HTTP/2 frames without content")
        if self._read > self._most:
            raise CheckFailedError("endless HTTP/2 frames")

    def ended(self) -> str:
        """Say what the end of the connection means, where no response was complete."""
        if self._began or not self._buffer:
            return "closed before the response was complete" if self._began else "closed without an answer"
        return self._no_http2()

    def _no_http2(self) -> str:
        return f"no HTTP/2: {quoted(self._buffer.decode('latin-1').splitlines()[0])!r}"


async def ask(stream: Stream, check: HttpCheck, request: HttpRequest, steps: Steps) -> Answer:
    """Send one request on a new connection and read the response.

    Raises:
        CheckFailedError: no response came, or none of HTTP/2.
        NotTriedError: the request is none.
    """
    exchange = _Exchange(check, request)
    while True:
        steps.wait(blamed(check, request, exchange.waiting))
        await stream.send(exchange.to_send())
        if (answer := exchange.answer()) is not None:
            return answer
        octets = await stream.receive()
        try:
            if not octets:
                raise CheckFailedError(exchange.ended())
            exchange.take(octets)
        except CheckFailedError:
            with suppress(OSError):
                await stream.send(exchange.to_send())  # the GOAWAY that says why
            raise
        await asyncio.sleep(0)  # a server that always has more would let nobody else work


class _Exchange:
    """One request and its response; whoever has the connection moves the octets."""

    def __init__(self, check: HttpCheck, request: HttpRequest) -> None:
        self._frames = Frames(MOST_CONTENT + _MOST_OVERHEAD, _MOST_OVERHEAD)
        self._body = memoryview(request.body.encode())
        self._status = 0
        self._location = ""
        self._pieces: list[bytes] = []
        self._size = 0
        self._complete = False
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding="latin-1"))
        self._h2.local_settings = Settings(
            client=True,
            initial_values={
                SettingCodes.ENABLE_PUSH: 0,
                SettingCodes.MAX_HEADER_LIST_SIZE: _MOST_HEADER,
            },
        )
        try:
            self._h2.initiate_connection()
            self._h2.send_headers(_STREAM, _header(check, request), end_stream=not self._body)
        except (ProtocolError, ValueError) as error:
            raise NotTriedError(f"request cannot be sent by HTTP/2: {error}; mend its headers") from None

    @property
    def waiting(self) -> str:
        """What is awaited."""
        if self._status:
            return "reading the content"
        return "waiting for the server to take the body" if self._body else "waiting for the response"

    def to_send(self) -> bytes:
        """Give what can be sent now."""
        with suppress(ProtocolError):  # the response may be complete before the request is
            while self._body and not self._complete:
                window = self._h2.local_flow_control_window(_STREAM)
                piece = self._body[: min(window, self._h2.max_outbound_frame_size)]
                if window <= 0:
                    break
                self._body = self._body[len(piece) :]
                self._h2.send_data(_STREAM, bytes(piece), end_stream=not self._body)
        return self._h2.data_to_send()

    def take(self, octets: bytes) -> None:
        """Take what came.

        Raises:
            CheckFailedError: the server gave up, or it is no HTTP/2.
        """
        for frame in self._frames.cut(octets):
            try:
                for event in self._h2.receive_data(frame):
                    self._happened(event)
            except ProtocolError as error:
                raise CheckFailedError(f"broken HTTP/2 ({quoted(str(error))})") from None
            if self._complete or self._size > MOST_CONTENT:
                return

    def answer(self) -> Answer | None:
        """Give the response, once it is complete or there is more of it than anybody wants."""
        whole = self._size <= MOST_CONTENT
        if whole and not self._complete:
            return None
        return Answer(self._status, b"".join(self._pieces)[:MOST_CONTENT], self._location, whole)

    def ended(self) -> str:
        """Say what the end of the connection means."""
        return self._frames.ended()

    def _happened(self, event: Event) -> None:
        if isinstance(event, ResponseReceived):
            fields: dict[str, str] = dict(event.headers or ())  # type: ignore[arg-type]  # header_encoding
            status = fields[":status"]
            if len(status) != 3 or not status.isdecimal():
                raise CheckFailedError(f"broken HTTP/2 (status {quoted(status)!r})")
            self._status = int(status)
            self._location = fields.get("location", "") if 300 <= self._status < 400 else ""
        elif isinstance(event, DataReceived):
            self._pieces.append(event.data or b"")
            self._size += len(event.data or b"")
            self._h2.acknowledge_received_data(event.flow_controlled_length or 0, _STREAM)
        elif isinstance(event, StreamEnded):
            self._complete = True
        elif isinstance(event, StreamReset):
            raise CheckFailedError(f"request refused ({code_name(event.error_code)})")
        elif isinstance(event, ConnectionTerminated):
            raise CheckFailedError(f"connection ended by the server ({code_name(event.error_code)})")


def _header(check: HttpCheck, request: HttpRequest) -> Sequence[tuple[str, str]]:
    given = [header.value.strip() for header in request.headers if header.name.lower() == "host"]
    fields = ((name.lower(), value) for name, value in fields_of(request))
    return [
        (":method", request.method),
        (":scheme", "http" if check.tls is None else "https"),
        (":authority", given[0] if given else host_of(check, request)),
        (":path", request.path),
        *(field for field in fields if field[0] not in _HOP_BY_HOP),
    ]


def _content(frame: bytes) -> int:
    """Count the octets of content (RFC 9113, section 6.1)."""
    if frame[3] != _DATA:
        return 0
    padding = 1 + frame[_FRAME_HEADER] if frame[4] & _PADDED and len(frame) > _FRAME_HEADER else 0
    return max(0, len(frame) - _FRAME_HEADER - padding)


def _is_graceful(frame: bytes) -> bool:
    return frame[13:17] == b"\0\0\0\0" and int.from_bytes(frame[9:13]) >= _STREAM


def code_name(code: ErrorCodes | int | None) -> str:
    """Write an error code of HTTP/2 (RFC 9113, section 7) for people."""
    name = code.name if isinstance(code, ErrorCodes) else f"error {code}"
    return name.lower().replace("_", " ")
