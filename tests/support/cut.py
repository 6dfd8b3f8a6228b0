"""A relay before a nats-server that lets so many writes through and then calls for the end of who writes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator

WRITES = (b"$KV.", b"vipbus.revision.")
"""Subjects that are stored."""


class Cut:
    """Passes connections on, message by message; made and closed in an event loop."""

    def __init__(self, port: int, to: tuple[str, int]) -> None:
        self.port = port
        self.left: int | None = None
        """So many writes still go through; None: all."""
        self.passed: list[str] = []
        """Subjects of the writes that went through."""
        self.on_cut: Callable[[], None] = lambda: None
        """Called when no more goes through, before anything else happens."""
        self._to = to
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def close(self) -> None:
        """Drop every connection."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._to)
        for work in (self._forward(reader, back), self._back(there, writer)):
            task = asyncio.ensure_future(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _back(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        target.close()

    async def _forward(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        held = b""
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                held += data
                done = 0
                for subject, end in messages(held):
                    if subject.startswith(WRITES):
                        if self.left == 0:
                            await self._end(target, held[:done])
                            return
                        self.passed.append(subject.decode())
                        self.left = None if self.left is None else self.left - 1
                    done = end
                target.write(held[:done])
                await target.drain()
                held = held[done:]
                if self.left == 0:
                    await self._end(target, b"")
                    return
        target.close()

    async def _end(self, target: asyncio.StreamWriter, last: bytes) -> None:
        self.left = None
        target.write(last)
        await target.drain()
        self.on_cut()
        target.close()


def messages(held: bytes) -> Iterator[tuple[bytes, int]]:
    """Give each whole line or message that a client sent: its subject, if it has one, and where it ends."""
    at = 0
    while (line_end := held.find(b"\r\n", at)) >= 0:
        words = held[at:line_end].split()
        end = line_end + 2
        subject = b""
        if words and words[0].upper() in (b"PUB", b"HPUB"):
            subject = words[1]
            end += int(words[-1]) + 2
        if end > len(held):
            return
        yield subject, end
        at = end
