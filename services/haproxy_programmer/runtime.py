"""Talk to a running HAProxy (management.txt, Unix Socket commands).

One connection a line: one that is kept stays with the worker of before a reload.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from haproxy_programmer.observed import QUESTION, SESSIONS, WORKER, Observed, busy, observed
from haproxy_programmer.observed import worker as who
from haproxy_programmer.plan import batches

_WITHIN: Final = 5.0
"""Seconds without an answer after which it counts as stuck."""
_LARGEST: Final = 64 * 1024 * 1024
_WRONG: Final = re.compile(r"^\[[0-3]\]:.*|^\[6\]:.*|^Unknown command.*", re.MULTILINE)
"""By severity (management.txt, set severity-output): 5 and 7 are news, 6 an unknown command's help,
4 is what `set server addr` says of a change that it made, or of one that it did not: that is read back."""


class SilentError(Exception):
    """It does not answer: what it is asked at, and why."""


async def ask(socket: Path, line: str) -> str:
    """Say one line and read all that is answered.

    Raises:
        SilentError: there is no answer.
    """
    try:
        async with asyncio.timeout(_WITHIN):
            reader, writer = await asyncio.open_unix_connection(socket, limit=_LARGEST)
            try:
                writer.write(line.encode() + b"\n")
                writer.write_eof()  # a master's socket waits for the next line otherwise
                answer = bytearray()
                while chunk := await reader.read(_LARGEST):
                    answer += chunk
                    if len(answer) > _LARGEST:
                        raise SilentError(f"HAProxy's answer on {socket} does not end")
            finally:
                writer.close()
    except TimeoutError:
        raise SilentError(f"HAProxy does not answer on {socket} within {_WITHIN:g} s") from None
    except OSError as error:
        raise SilentError(f"HAProxy does not answer on {socket}: {error.strerror or error}") from None
    return answer.decode(errors="replace")


async def look(socket: Path) -> Observed:
    """Ask a worker how its servers are.

    Raises:
        SilentError: there is no answer.
        UnreadableError: it is not understood.
    """
    return observed(await ask(socket, QUESTION))


async def worker(socket: Path) -> tuple[str, int]:
    """Ask a worker who it is: its generation, and its process id.

    Raises:
        SilentError: there is no answer.
        UnreadableError: it is not understood.
    """
    return who(await ask(socket, WORKER))


async def sessions(socket: Path) -> dict[tuple[str, str], int]:
    """Ask a worker how many sessions each server has.

    Raises:
        SilentError: there is no answer.
        UnreadableError: it is not understood.
    """
    return busy(await ask(socket, SESSIONS))


async def apply(socket: Path, commands: Iterable[str]) -> tuple[str, ...]:
    """Give commands; return what was refused, in HAProxy's words.

    Raises:
        SilentError: there is no answer; what was done is not known.
    """
    wrong: list[str] = []
    for line in batches(commands):
        wrong += (found.strip() for found in _WRONG.findall(await ask(socket, line)))
    return tuple(wrong)
