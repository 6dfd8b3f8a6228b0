"""A client under steady traffic: a new connection and request every few milliseconds, each written down.

``python traffic.py ADDRESS PORT EVERY TIMEOUT OUTPUT``. A request never waits for the one before it. A line
of the output is one request, ``{"at": .., "done": .., "server": "s1"}`` or ``{.., "error": "timed out"}``,
with times of the monotonic clock, in the order in which the requests began. The time-out is shorter than the
kernel's first retransmission (1 s), so that a lost SYN is a failed request.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
import sys
import time
from typing import TextIO

BROKEN = "open, then "
"""Begins the error of a request whose connection had been made."""
_REQUEST = b"GET / HTTP/1.0\r\n\r\n"
_source_ports = itertools.cycle(range(1024, 65536))
"""In turn, so that none comes again for 20 minutes: IPVS remembers a closed connection for 2 (FIN_WAIT), and
sends a new one from the same port to the same real server, even to one that has left the table meanwhile."""


async def request(address: tuple[str, int], timeout: float) -> dict[str, object]:
    """Make one request on a connection of its own and say how it went."""
    at = time.monotonic()
    loop = asyncio.get_running_loop()
    broken = ""
    with socket.socket() as connection:
        connection.setblocking(False)
        connection.bind(("", next(_source_ports)))
        try:
            async with asyncio.timeout(timeout):
                await loop.sock_connect(connection, address)
                broken = BROKEN
                await loop.sock_sendall(connection, _REQUEST)
                answer = b""
                while piece := await loop.sock_recv(connection, 4096):
                    answer += piece
        except TimeoutError:
            return {"at": at, "done": time.monotonic(), "error": f"{broken}timed out"}
        except OSError as error:
            return {"at": at, "done": time.monotonic(), "error": f"{broken}{os.strerror(error.errno or 0)}"}
    head, _, body = answer.partition(b"\r\n\r\n")
    done = time.monotonic()
    if not head.startswith((b"HTTP/1.0 200", b"HTTP/1.1 200")) or not body:  # a proxy in between may say 1.1
        return {"at": at, "done": done, "error": f"{BROKEN}closed without an answer"}
    return {"at": at, "done": done, "server": body.decode().strip()}


async def write_in_order(tasks: asyncio.Queue[asyncio.Task[dict[str, object]]], output: TextIO) -> None:
    """Write each request's line once it and all before it are over."""
    while True:
        line = await (await tasks.get())
        output.write(json.dumps(line) + "\n")
        output.flush()


async def main(address: str, port: int, every: float, timeout: float, path: str) -> None:
    """Go on until killed."""
    tasks: asyncio.Queue[asyncio.Task[dict[str, object]]] = asyncio.Queue()
    with open(path, "a", encoding="utf-8") as output:  # noqa: ASYNC230, PTH123  # nothing runs yet
        writer = asyncio.create_task(write_in_order(tasks, output))
        begin = time.monotonic()
        number = 0
        while not writer.done():
            tasks.put_nowait(asyncio.create_task(request((address, port), timeout)))
            number += 1
            await asyncio.sleep(max(0.0, begin + number * every - time.monotonic()))
        writer.result()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]), sys.argv[5]))
