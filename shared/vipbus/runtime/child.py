"""Asks a program one question: what it reads is the question, what it writes the answer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence

_END_WITHIN = 1.0
"""Seconds from SIGTERM to SIGKILL, in which it may end what it has started itself."""


class NoAnswerError(Exception):
    """The program did not answer; the text says why, in one line."""

    def __init__(self, text: str, complaints: str = "") -> None:
        super().__init__(text)
        self.complaints = complaints
        """All that it wrote to its standard error."""


async def answer_of(command: Sequence[str], question: bytes, *, within: float) -> bytes:
    """Run a program to its end; return what it wrote. However this ends, the program has ended too.

    Raises:
        NoAnswerError: it could not be started, failed, or took longer than ``within`` seconds.
    """
    try:
        child = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    except OSError as error:
        why = os.strerror(error.errno or 0).lower()
        raise NoAnswerError(f"{command[0]} cannot be started: {why}") from None
    try:
        async with asyncio.timeout(within):
            answer, complaints = await child.communicate(question)
    except TimeoutError:
        raise NoAnswerError(f"no answer within {within:g} s") from None
    finally:
        await _end(child)
    if child.returncode:
        words = complaints.decode(errors="replace")
        raise NoAnswerError(_last_line(words) or _ending(child.returncode), words)
    return answer


async def _end(child: Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if child.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), _END_WITHIN)


def _last_line(words: str) -> str:
    """Of a traceback too it is the one that says what went wrong."""
    return next((line.strip() for line in reversed(words.split("\n")) if line.strip()), "")


def _ending(status: int) -> str:
    if status > 0:
        return f"it ended with status {status}"
    try:
        return f"it was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"it was ended by signal {-status}"
