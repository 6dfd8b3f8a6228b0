"""A TCP relay that can stand still: nothing gets through, nothing is closed, later all of it comes late."""

from __future__ import annotations

import asyncio
import contextlib


class Relay:
    """Passes connections on; made and closed in an event loop."""

    def __init__(self, host: str, port: int, to: tuple[str, int]) -> None:
        self._listen = host, port
        self._to = to
        self._open = asyncio.Event()
        self._open.set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, *self._listen)

    def stand_still(self) -> None:
        """Let nothing through, either way; connections are taken and lead nowhere."""
        self._open.clear()

    def go_on(self) -> None:
        """Let everything through again, also what waited."""
        self._open.set()

    async def close(self) -> None:
        """Drop every connection."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._open.wait()
        try:
            there, back = await asyncio.open_connection(*self._to)
        except OSError:
            writer.close()
            return
        for source, target in ((reader, back), (there, writer)):
            task = asyncio.ensure_future(self._pass_on(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                await self._open.wait()
                target.write(data)
                await target.drain()
        target.close()
