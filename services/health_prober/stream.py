"""A connection of octets to a target, in the clear or by TLS, that never reads more than it was asked to.

TLS runs over the ssl module's memory buffers instead of asyncio's transport: what is read is bounded by the
reader, nothing outlives `Stream.close`, and a handshake that failed can still be looked at.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from health_prober.attempt import CheckFailedError, Steps
from health_prober.sockets import connected
from health_prober.tls import CLOSED, context_for, explain, name_for
from vipbus.contracts import CheckBase, Tls

CHUNK: Final = 1 << 14
"""Octets that are read at a time, as many as a TLS record holds (RFC 8446, section 5.1)."""
_MOST_SILENT: Final = 1 << 18
"""Octets of TLS that may come without any content: a long chain of certificates, many session tickets."""
SETTLE: Final = 0.5
"""Seconds until a server that says nothing has accepted a handshake."""
_QUOTED: Final = 40
"""Characters of what a server sent instead of TLS that a cause has room for."""


class Stream:
    """A connection in the clear."""

    alpn: str | None = None
    """The protocol that the server chose (RFC 7301)."""
    certificate: bytes | None = None
    """The server's (DER)."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._loop = asyncio.get_running_loop()

    async def receive(self, most: int = CHUNK) -> bytes:
        """Read what is there, at least one octet; none at the end of the connection."""
        return await self._loop.sock_recv(self._socket, most)

    async def send(self, octets: bytes) -> None:
        """Write all of it."""
        await self._loop.sock_sendall(self._socket, octets)

    def close(self) -> None:
        """End the connection at once."""
        self._socket.close()


class TlsStream(Stream):
    """A connection by TLS; `start` comes first."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext, name: str | None) -> None:
        super().__init__(connection)
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._sending = asyncio.Lock()
        self._silent = 0
        self._head = b""

    async def start(self) -> str:
        """Shake hands; return protocol and cipher in words.

        Raises:
            CheckFailedError: it failed.
        """
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                if not await self._more():
                    raise CheckFailedError(self._no_tls() or CLOSED) from None
            except ssl.SSLError as error:
                self._part()
                raise CheckFailedError(self._no_tls() or explain(error)) from None
            else:
                break
        await self._flush()
        self._silent = 0
        self.alpn = self._tls.selected_alpn_protocol()
        self.certificate = self._tls.getpeercert(binary_form=True)
        cipher = self._tls.cipher()
        return ", ".join(filter(None, (self._tls.version(), cipher and cipher[0], self.alpn)))

    async def settle(self, within: float = SETTLE) -> None:
        """Wait until the server has accepted this end's part of the handshake, at most so many seconds.

        In TLS 1.3 a client is done before the server has seen its certificate or missed it; the refusal
        comes later (RFC 8446, section 4.4.2.4). A server that is content sends session tickets, or answers
        our closing alert with its own; one that does neither within the time is taken to be content.

        Raises:
            CheckFailedError: it refused.
        """
        if self._tls.version() != "TLSv1.3":
            return
        with suppress(ssl.SSLError):  # content that came early is in the way of a closing alert
            self._tls.unwrap()
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                if not await self._more():
                    return
        try:
            self._tls.read(CHUNK)
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            return
        except ssl.SSLError as error:
            raise CheckFailedError(explain(error)) from None

    async def receive(self, most: int = CHUNK) -> bytes:
        """As its base.

        Raises:
            CheckFailedError: what came is no TLS, or an alert.
        """
        while True:
            try:
                octets = self._tls.read(most)
            except ssl.SSLWantReadError:
                if not await self._more():
                    return b""
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLError as error:
                self._part()
                raise CheckFailedError(explain(error)) from None
            else:
                self._silent = 0
                return octets

    async def send(self, octets: bytes) -> None:
        """As its base."""
        self._tls.write(octets)
        await self._flush()

    async def _more(self) -> bool:
        """Read a piece from the connection; False at its end."""
        await self._flush()
        octets = await self._loop.sock_recv(self._socket, CHUNK)
        self._silent += len(octets)
        if self._silent > _MOST_SILENT:
            raise CheckFailedError("endless TLS without content")
        if len(self._head) < _QUOTED:
            self._head += octets[:_QUOTED]
        self._incoming.write(octets)
        return bool(octets)

    async def _flush(self) -> None:
        async with self._sending:  # records must leave in order, also where one reads while another writes
            if self._outgoing.pending:
                await self._loop.sock_sendall(self._socket, self._outgoing.read())

    def _part(self) -> None:
        """Send the alert that tells the server why, if the connection takes it at once."""
        with suppress(OSError):
            self._socket.send(self._outgoing.read())

    def _no_tls(self) -> str:
        """Say what came instead of TLS, where it can be read; a record begins with 20-23, which cannot."""
        first, *_ = self._head[:_QUOTED].decode("latin-1").splitlines() or [""]
        readable = first and first.isascii() and first.isprintable()
        return f"no TLS: the server answered with plain text ({first})" if readable else ""


async def connect(check: CheckBase, steps: Steps, tls: Tls | None = None, alpn: Sequence[str] = ()) -> Stream:
    """Connect to a check's address and port, by TLS if that is given; whoever calls must close it.

    Raises:
        CheckFailedError: the handshake failed.
        NotTriedError: this host is to blame.
        OSError: the connection was refused, or this host gave no socket.
    """
    context = None if tls is None else context_for(tls, alpn)
    name = None if tls is None else name_for(check, tls)
    steps.wait("connecting")
    connection = await connected(check)
    steps.done("connected")
    if context is None:
        return Stream(connection)
    try:
        steps.wait("waiting for the TLS handshake")
        stream = TlsStream(connection, context, name)
        steps.done(await stream.start())
    except BaseException:
        connection.close()
        raise
    return stream
