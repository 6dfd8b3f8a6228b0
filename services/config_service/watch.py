"""Reads a router's file again when it, or a file that it includes, has changed and stays so for a moment.

Files are looked at, not subscribed to: a file that an editor writes beside its place and renames, one on a
network file system and one behind a link are all seen alike.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from config_service.sources import Source

EVERY: Final = 0.5
"""Seconds between two looks; what changed must be the same in two of them, for it may still be written."""
CAUSE: Final = "watched file changed"

Signature = tuple[int, int, int, int] | None
"""What tells that a file is another: device, inode, time of its last change, size; None: there is none."""
Signatures = Mapping[Path, Signature]


def signatures(paths: Iterable[Path]) -> dict[Path, Signature]:
    """Look at files."""
    found: dict[Path, Signature] = {}
    for path in paths:
        found[path] = None
        with contextlib.suppress(OSError, ValueError):
            status = path.stat()
            found[path] = status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
    return found


def changed(read: Signatures, before: Signatures, now: Signatures) -> bool:
    """Say whether to read again: it is another than was read, and the same as at the look before."""
    return now == before and any(read.get(path) != found for path, found in now.items())


def watched(one: Source) -> tuple[Path, ...]:
    """Name what is looked at: the file, what it includes, and where that is: an include may match more."""
    included = one.accepted.files if one.accepted is not None else ()
    files = dict.fromkeys((one.path, *included, *one.suspects))
    return (*files, *dict.fromkeys(each.parent for each in included))


class Watch:
    """The files of all routers; ``read`` takes those that changed, and why they are read."""

    def __init__(
        self, sources: Sequence[Source], read: Callable[[Sequence[Source], str], Awaitable[None]]
    ) -> None:
        self._sources = sources
        self._read = read
        self._seen = [signatures(watched(one)) for one in sources]
        """As they were when they were read."""
        self._before: list[dict[Path, Signature]] = [{} for _ in sources]

    async def run(self) -> None:
        """Look for ever; the files are read for the first time by now."""
        while True:
            for number, one in enumerate(self._sources):
                now = await asyncio.to_thread(signatures, watched(one))
                # what was named at a reading is as it was then
                self._seen[number] = {**now, **self._seen[number]}
                if changed(self._seen[number], self._before[number], now):
                    self._seen[number] = now
                    await self._read([one], CAUSE)
                    self._seen[number] = {**signatures(watched(one)), **now}
                self._before[number] = now
            await asyncio.sleep(EVERY)
