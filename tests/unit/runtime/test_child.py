"""A program that is asked one question: there is an answer or one line, and it has ended."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest

from tests.support.waiting import eventually_async
from vipbus.runtime.child import NoAnswerError, answer_of


def ask(program: str, question: bytes = b"", *, within: float = 10.0) -> bytes:
    return asyncio.run(answer_of((sys.executable, "-c", program), question, within=within))


def test_the_answer_is_what_it_writes_however_much_that_is() -> None:
    question = bytes(range(256)) * 40_000
    assert (
        ask("import sys; sys.stdout.buffer.write(sys.stdin.buffer.read()[::-1])", question) == question[::-1]
    )


def test_one_that_does_not_read_may_answer_all_the_same() -> None:
    assert ask("print('well')", b"x" * 10_000_000) == b"well\n"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("raise SystemExit('no\\n\\nmore \\n')", "more"),
        ("raise ValueError('a line')", "ValueError: a line"),
        ("import sys; sys.stderr.buffer.write(b'\\xff\\n'); sys.exit(3)", "\ufffd"),
        ("raise SystemExit(9)", "it ended with status 9"),
        ("import os; os.kill(os.getpid(), 15)", "it was ended by SIGTERM"),
        ("import os; os.kill(os.getpid(), 40)", "it was ended by signal 40"),
    ],
)
def test_one_that_fails_is_one_line(program: str, said: str) -> None:
    with pytest.raises(NoAnswerError) as raised:
        ask(program)
    assert str(raised.value) == said


def test_one_that_is_not_there_is_told() -> None:
    with pytest.raises(NoAnswerError, match=r"^/nowhere cannot be started: no such file or directory$"):
        asyncio.run(answer_of(("/nowhere",), b"", within=1.0))


_SLOW = """
import os, pathlib, signal, sys, time
if sys.argv[2]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
time.sleep(60)
"""


@pytest.mark.parametrize("deaf", ["", "deaf"])
@pytest.mark.parametrize("cancelled", [True, False])
def test_one_that_takes_too_long_is_ended(tmp_path: Path, deaf: str, cancelled: bool) -> None:
    noted = tmp_path / "pid"
    command = (sys.executable, "-c", _SLOW, str(noted), deaf)

    async def story() -> None:
        asking = asyncio.ensure_future(answer_of(command, b"", within=60 if cancelled else 2.0))
        await eventually_async(lambda: noted.exists() and noted.read_text(), "it runs")
        began = time.monotonic()
        if cancelled:
            asking.cancel()
        (ended,) = await asyncio.gather(asking, return_exceptions=True)
        assert time.monotonic() - began < 10
        if cancelled:
            assert isinstance(ended, asyncio.CancelledError)
        else:
            assert str(ended) == "no answer within 2 s"

    asyncio.run(story())
    assert not Path(f"/proc/{noted.read_text()}").exists()
