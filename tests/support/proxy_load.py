"""Clients of a proxy: kept connections and new ones, without a rest; what failed is counted.

Run as ``python -m tests.support.proxy_load PORT``; it tells its counts at the end of its input.
"""

from __future__ import annotations

import asyncio
import json
import sys

_REQUEST = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
_LAST = b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
_CLIENTS = 4


class Counts:
    """What came back."""

    def __init__(self) -> None:
        self.kept = self.new = self.failed_kept = self.failed_new = self.wrong = 0
        self.bodies: dict[str, int] = {}


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    """Read one answer: its status, its body, whether the connection stays.

    Raises:
        OSError, EOFError, ValueError: it is none.
    """
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
    body = await reader.readexactly(length)
    return int(head.split()[1]), body, b"connection: close" not in head


async def kept(port: int, counts: Counts) -> None:
    """Ask over and over on one connection; open another only when the proxy says that this one ends."""
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        stays = True
        while stays:
            try:
                writer.write(_REQUEST)
                status, body, stays = await answer(reader)
            except (OSError, EOFError, ValueError):
                counts.failed_kept += 1
                break
            note(counts, status, body)
            counts.kept += 1
        writer.close()


async def new(port: int, counts: Counts) -> None:
    """Ask over and over, each time on another connection."""
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(_LAST)
            status, body, _ = await answer(reader)
            writer.close()
        except (OSError, EOFError, ValueError):
            counts.failed_new += 1
            continue
        note(counts, status, body)
        counts.new += 1


def note(counts: Counts, status: int, body: bytes) -> None:
    """Count an answer."""
    if status != 200:
        counts.wrong += 1
    name = body.decode(errors="replace")[:40]
    counts.bodies[name] = counts.bodies.get(name, 0) + 1


async def main(port: int) -> None:
    """Load the proxy until the input ends."""
    counts = Counts()
    tasks = [asyncio.ensure_future(each(port, counts)) for each in (kept, new) for _ in range(_CLIENTS)]
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for task in tasks:
        task.cancel()
    print(json.dumps(vars(counts)))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
