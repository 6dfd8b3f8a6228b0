"""Thousands of attempts in a process of their own, and what they leave behind in it: nothing.

``python -m tests.support.leaks`` reads what to try from its input and writes what came of it. In a process
of their own the checks share no interpreter with the servers that a test runs, and nothing that a test or
another one before it holds is counted as theirs.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from health_prober.attempt import Steps
from health_prober.check import Failed, Succeeded
from health_prober.trying import tried
from vipbus.contracts import Check

WITHIN: Final = 800.0
"""Seconds for all rounds: a bound of what hangs, many times what a busy machine takes."""
_CLOSED_WITHIN: Final = 20.0
_STILL: Final = 1.5
"""Seconds in which nothing changes when all is over: longer than a program has to end itself."""
MOST_GROWN: Final = 4 << 20
"""Octets of memory that the second half of the rounds may take: of ten thousand 840 each. The first fills
what the allocators then use again, several megabytes after a hundred attempts at once."""
_FEW: Final = 2000
"""Of Python's objects that come and stay for reasons of their own."""
_MOST_TOLD: Final = 5


class Asked(msgspec.Struct, frozen=True):
    """What to try."""

    checks: tuple[Check, ...]
    """By turns."""
    rounds: int
    at_once: int


class Held(msgspec.Struct, frozen=True):
    """What a process and its children hold."""

    descriptors: int
    watched: int
    """By the event loop; one is its own."""
    tasks: int
    threads: int
    processes: int
    blocks: int
    """Of Python's allocator: about one an object."""
    resident: int
    """Octets."""

    @property
    def counted(self) -> tuple[int, ...]:
        """All but the memory."""
        return (self.descriptors, self.watched, self.tasks, self.threads, self.processes)


class Found(msgspec.Struct, frozen=True):
    """What came of it."""

    outcomes: dict[str, int]
    """``ok``, the cause of a failure, or ``here`` and what is wrong on this host."""
    before: Held
    halfway: Held
    after: Held
    seconds: float
    processor: float
    """Seconds of processor time, of children that ended too."""
    complaints: tuple[str, ...]
    """Of Python: what was closed by the collector alone, and exceptions that nobody took."""

    def __str__(self) -> str:
        held = (self.before, self.halfway, self.after)
        total, good = sum(self.outcomes.values()), self.outcomes.get("ok", 0)
        names = ("descriptors", "watched", "tasks", "threads", "processes")
        counted = zip(names, self.before.counted, self.after.counted, strict=True)
        return (
            f"{total} rounds, {good} good, in {self.seconds:.1f} s ({self.processor:.1f} s of a processor): "
            + ", ".join(f"{name} {one} -> {other}" for name, one, other in counted)
            + f", objects {' -> '.join(str(each.blocks) for each in held)}"
            + f", resident {' -> '.join(f'{each.resident / 1e6:.1f}' for each in held)} MB"
        )


def leave_nothing(
    checks: Sequence[Check], rounds: int, at_once: int = 20, *, blames_host: bool = False
) -> Counter[str]:
    """Try checks by turns, so many rounds in all, and see that all is as before; count what came of it.

    Args:
        checks: What to try; each comes as often as the others where ``rounds`` is a multiple of their number.
        rounds: Beside those of a warm-up, after which imports, contexts and threads are there.
        at_once: So many attempts are on their way at any time.
        blames_host: Whether attempts may say that this host is to blame.
    """
    asked = msgspec.json.encode(Asked(tuple(checks), rounds, at_once))
    command = [sys.executable, "-m", "tests.support.leaks"]
    done = subprocess.run(command, input=asked, stdout=subprocess.PIPE, check=True, timeout=WITHIN)
    found = msgspec.json.decode(done.stdout, type=Found)
    print(found)
    assert not found.complaints, found.complaints
    assert sum(found.outcomes.values()) == rounds
    assert blames_host or not [each for each in found.outcomes if each.startswith("here ")], found.outcomes
    assert all(
        after <= before for before, after in zip(found.before.counted, found.after.counted, strict=True)
    ), found
    assert found.after.resident - found.halfway.resident < MOST_GROWN, found
    assert found.after.blocks - found.halfway.blocks < max(rounds / 4, _FEW), found
    return Counter(found.outcomes)


class _Rounds:
    """The other process."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._outcomes: Counter[str] = Counter()
        self._complaints: list[str] = []

    async def all(self) -> Found:
        asked, loop = self._asked, asyncio.get_running_loop()
        self._listen(loop)
        await self._several(max(asked.rounds // 10, 2 * asked.at_once, 2 * len(asked.checks)))
        self._outcomes.clear()
        before = await _at_rest(None)
        began, used = time.monotonic(), _processor()
        await self._several(asked.rounds // 2)
        halfway = await _at_rest(before)
        await self._several(asked.rounds - asked.rounds // 2)
        seconds, processor = time.monotonic() - began, _processor() - used
        after = await _at_rest(before)
        if (programs := sys.modules.get("health_prober.programs")) is not None:
            programs.let_go(loop)
        return Found(
            dict(self._outcomes), before, halfway, after, seconds, processor, tuple(self._complaints)
        )

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        def complain(what: object) -> None:
            if len(self._complaints) < _MOST_TOLD:
                self._complaints.append(str(what))

        def heard(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            complain(f"{context['message']}: {context.get('exception')!r}")

        loop.set_exception_handler(heard)
        sys.unraisablehook = lambda unraisable: complain(f"{unraisable.object!r}: {unraisable.exc_value!r}")
        warnings.simplefilter("always", ResourceWarning)
        warnings.showwarning = lambda message, *_: complain(message)

    async def _several(self, number: int) -> None:
        numbers = iter(range(number))
        async with asyncio.TaskGroup() as group:
            for _ in range(self._asked.at_once):
                group.create_task(self._one_after_the_other(numbers))

    async def _one_after_the_other(self, numbers: Iterator[int]) -> None:
        checks = self._asked.checks
        for number in numbers:
            event = await tried(checks[number % len(checks)], Steps())
            if isinstance(event, Succeeded):
                self._outcomes["ok"] += 1
            else:
                self._outcomes[event.cause if isinstance(event, Failed) else f"here {event.trouble}"] += 1


async def _at_rest(goal: Held | None) -> Held:
    """Wait until no more is held than ``goal`` says, or until nothing changes; give what is held then."""
    deadline = time.monotonic() + _CLOSED_WITHIN
    held, since = _held(), time.monotonic()
    while (now := time.monotonic()) < deadline:
        if goal is not None and all(map(int.__le__, held.counted, goal.counted)):
            break
        if goal is None and now - since >= _STILL:
            break
        await asyncio.sleep(0.02)
        last, held = held, _held()
        since = since if held.counted == last.counted else time.monotonic()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what is free is given back, and not counted
    return _held()


def _held() -> Held:
    family = list(_family(os.getpid()))
    return Held(
        descriptors=sum(len(_listed(pid, "fd")) for pid in family),
        watched=len(asyncio.get_running_loop()._selector.get_map()),  # type: ignore[attr-defined]
        tasks=len(asyncio.all_tasks()) - 1,
        # asyncio's own, of which there are never more than its pool has room for, come when they are needed
        threads=sum(not each.name.startswith("asyncio_") for each in threading.enumerate()),
        processes=len(family),
        blocks=sys.getallocatedblocks(),
        resident=os.sysconf("SC_PAGE_SIZE")
        * sum(int(_read(pid, "statm", "0 0").split()[1]) for pid in family),
    )


def _family(pid: int) -> Iterator[int]:
    """Find a process and its descendants, those among them that wait to be reaped, too."""
    yield pid
    for thread in _listed(pid, "task"):
        for child in _read(pid, f"task/{thread}/children", "").split():
            yield from _family(int(child))


def _listed(pid: int, what: str) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/{what}")  # noqa: PTH208  # a Path would open one more
    except OSError:
        return []  # it has ended


def _read(pid: int, what: str, otherwise: str) -> str:
    try:
        return Path(f"/proc/{pid}/{what}").read_text()
    except OSError:
        return otherwise


def _processor() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main() -> None:
    """Do what the input says."""
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Asked)
    found = asyncio.run(_Rounds(asked).all())
    sys.stdout.buffer.write(msgspec.json.encode(found))


if __name__ == "__main__":
    main()
