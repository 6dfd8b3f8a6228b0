"""A file that holds a number (keepalived.conf(5), FILE_CHECK).

The number times the check's weight is added to the real server's. An absent file counts as 0, as with
keepalived; one without a number (keepalived: 0, or what stands before the noise) or that cannot be read
proves nothing, as for a tracked file of an instance: half a write is no reason to move traffic.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading

from health_prober.attempt import CheckFailedError, NotTriedError, Passed, Steps
from vipbus.contracts import FileCheck
from vipbus.runtime.number_file import Reading, read

_LARGEST = 2**31 - 1
_PATIENCE = 0.9
"""Share of the timeout after which a file system that does not answer is to blame, and not the server."""
_reading: dict[tuple[asyncio.AbstractEventLoop, str], asyncio.Future[Reading]] = {}
"""Reads that have not come back; whoever wants the same file waits for the same one."""


async def attempt(check: FileCheck, steps: Steps) -> Passed:
    """Read the file once."""
    steps.wait("reading the file")
    try:
        async with asyncio.timeout(check.timeout * _PATIENCE):
            reading = await asyncio.shield(_read(check.path))
    except TimeoutError:
        raise NotTriedError(f"{check.path} cannot be read in time: look at its file system") from None
    if reading.value is None:
        raise NotTriedError(reading.problem)
    found = f"{check.path} does not exist" if reading.absent else f"{check.path} holds {reading.value}"
    steps.done(found)
    return judged(check.weight, reading.value, found)


def judged(weight: int, value: int, found: str) -> Passed:
    """Say what a number means; ``found`` says it in words.

    Raises:
        CheckFailedError: that the real server is down.
    """
    if weight == 0 and value != 0:
        raise CheckFailedError(found)
    added = value * weight
    if added < -_LARGEST:
        raise CheckFailedError(f"{found}: times {weight} it takes more than any weight")
    return Passed(note=found, weight_added=min(added, _LARGEST))


def _read(path: str) -> asyncio.Future[Reading]:
    """Read in a thread of its own: a network file system whose server is gone holds up nothing else."""
    loop = asyncio.get_running_loop()
    key = (loop, path)
    if key in _reading:
        return _reading[key]
    found = _reading[key] = loop.create_future()

    def work() -> None:
        reading = read(path)
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
            loop.call_soon_threadsafe(tell, reading)

    def tell(reading: Reading) -> None:
        del _reading[key]
        found.set_result(reading)

    threading.Thread(target=work, name=f"read {path}", daemon=True).start()
    return found
