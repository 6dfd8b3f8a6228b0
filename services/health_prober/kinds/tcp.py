"""A TCP connect, and the dialogue of a `vipbus.contracts.TcpCheck` that has one."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import closing
from typing import Final

from health_prober.attempt import PASSED, CheckFailedError, Passed, Steps
from health_prober.causes import quoted
from health_prober.regexes import RegexTooSlowError, found
from health_prober.sockets import connected
from vipbus.contracts import Exchange, TcpCheck

_MOST: Final = 1 << 16
"""Octets that a server may send before what is expected has come."""
_PIECE: Final = 1 << 12
_REGEX_WITHIN: Final = 0.25
"""Seconds that an attempt's regular expressions may take in all."""
_REGEX_HERE: Final = 0.005
"""Seconds that one may hold other attempts up; who needs longer gets a thread."""


async def attempt(check: TcpCheck, steps: Steps) -> Passed:
    """Connect, and speak each exchange in its turn."""
    with closing(await connected(check)) as made:
        steps.done("connected")
        conversation = _Conversation(made, steps)
        for exchange in check.exchanges:
            await conversation.speak(exchange)
    return PASSED


class _Conversation:
    """What has come and was not yet expected stays for the next exchange."""

    def __init__(self, made: socket.socket, steps: Steps) -> None:
        self._made = made
        self._steps = steps
        self._loop = asyncio.get_running_loop()
        self._heard = bytearray()
        self._regex_left = _REGEX_WITHIN

    async def speak(self, exchange: Exchange) -> None:
        octets = bytes.fromhex(exchange.send_octets) or exchange.send.encode()
        if octets:
            self._steps.wait("sending")
            await self._loop.sock_sendall(self._made, octets)
            self._steps.done(f"sent {len(octets)} octets")  # which may be a password
        if exchange.expect or exchange.expect_regex:
            wanted = f"{quoted(exchange.expect or exchange.expect_regex)!r}"
            await self._hear(exchange, wanted if exchange.expect else f"a match of {wanted}")

    async def _hear(self, exchange: Exchange, wanted: str) -> None:
        looked = 0
        while (end := await self._found(exchange, looked)) is None:
            looked = len(self._heard)
            self._steps.wait(f"waiting for {wanted}{f', got {self._quoted()}' if self._heard else ''}")
            if looked >= _MOST:
                raise CheckFailedError(f"expected {wanted}, got {self._quoted()} and 64 KiB")
            octets = await self._loop.sock_recv(self._made, _PIECE)
            if not octets:
                if self._heard:
                    raise CheckFailedError(f"expected {wanted}, got {self._quoted()}")
                raise CheckFailedError(f"closed before {wanted} came")
            self._heard += octets
        self._steps.done(f"received {self._quoted(end)}")
        del self._heard[:end]

    async def _found(self, exchange: Exchange, looked: int) -> int | None:
        """Find where what is expected ends, in what was not ``looked`` at before; None: it has not come."""
        if exchange.expect:
            wanted = exchange.expect.encode()
            at = self._heard.find(wanted, max(0, looked - len(wanted) + 1))
            return None if at < 0 else at + len(wanted)
        heard = bytes(self._heard)
        began = time.monotonic()
        here = min(_REGEX_HERE, self._regex_left)
        try:
            match = found(exchange.expect_regex, (), heard, 0, here)
        except RegexTooSlowError:
            if here >= self._regex_left:
                raise
            match = await asyncio.to_thread(found, exchange.expect_regex, (), heard, 0, self._regex_left)
        # who sends an octet at a time has everything looked at each time
        self._regex_left = max(self._regex_left - (time.monotonic() - began), 1e-6)
        return None if match is None else int(match.end())

    def _quoted(self, end: int = _MOST) -> str:
        return f"{quoted(self._heard[:end].decode(errors='replace').strip())!r}"
