"""A client under steady traffic: a new connection for each request, and a line a second about them.

    python -m demo.client 10.91.1.100:80 20       20 requests a second
    python -m demo.client check 10.91.1.100:80    one request, to say whether the service answers

Requests start on time whether or not those before were answered, so the count of failures measures an outage.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections import Counter

TIMEOUT = 2.0
"""Seconds until a request without an answer counts as failed."""


async def ask(host: str, port: int) -> str:
    """Make one request; return what the real server says its name is.

    Raises:
        OSError, TimeoutError: nobody answered.
        ValueError: what came is no such answer.
    """
    async with asyncio.timeout(TIMEOUT):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(f"GET / HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            answer = await reader.read()
        finally:
            writer.close()
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator or b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise ValueError(f"answered {answer[:40]!r}")
    return body.decode().strip()


def in_words(error: BaseException) -> str:
    """Say why a request failed."""
    if isinstance(error, TimeoutError):
        return f"no answer in {TIMEOUT:g} s"
    if isinstance(error, OSError):
        return os.strerror(error.errno) if error.errno else str(error)
    return str(error)


class Tally:
    """What became of the requests that ended since the last line."""

    def __init__(self) -> None:
        self.servers: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()

    async def request(self, host: str, port: int) -> None:
        """Make one request and count it."""
        try:
            self.servers[await ask(host, port)] += 1
        except (OSError, ValueError) as error:
            self.failures[in_words(error)] += 1

    def line(self, clock: str) -> str:
        """Say it in a line and begin anew."""
        good, failed = self.servers.total(), self.failures.total()
        details = [f"{name} {count}" for name, count in sorted(self.servers.items())]
        details += [f"{count} x {reason}" for reason, count in self.failures.most_common(2)]
        self.servers.clear()
        self.failures.clear()
        return f"{clock}  {good:3d} good, {failed:3d} failed  {', '.join(details)}"


async def run(host: str, port: int, rate: int) -> None:
    """Ask until cancelled."""
    tally = Tally()
    tasks: set[asyncio.Task[None]] = set()
    started = time.monotonic()
    sent = 0
    while True:
        tasks.add(task := asyncio.create_task(tally.request(host, port)))
        task.add_done_callback(tasks.discard)
        sent += 1
        if sent % rate == 0:
            print(tally.line(time.strftime("%H:%M:%S")))
        await asyncio.sleep(max(0.0, started + sent / rate - time.monotonic()))


def main(arguments: list[str]) -> int:
    """Ask for ever, or once; return the exit status."""
    checking = arguments[0] == "check"
    host, _, port = arguments[1 if checking else 0].rpartition(":")
    if not checking:
        # the first process of a namespace gets only the signals it asked for
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        asyncio.run(run(host, int(port), int(arguments[1])))
        return 0
    try:
        print(f"{host}:{port} is answered by {asyncio.run(ask(host, int(port)))}")
    except (OSError, ValueError) as error:
        print(f"{host}:{port}: {in_words(error)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
