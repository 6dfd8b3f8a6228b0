"""A consumer of configurations: takes each revision as the services do, and notes when it holds it.

``python -m tests.bench.config_consumer URL ROUTER FILE`` appends a line to FILE for each: the monotonic time
in nanoseconds, and the revision.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from vipbus.bus import Bus, BusAddress
from vipbus.contracts import CONFIG
from vipbus.runtime.revision import Revisions


async def consume(url: str, router: str, file: Path) -> None:
    """Consume until killed."""
    revisions = Revisions()
    bus = Bus(BusAddress(url=url), source="consumer")
    bus.start()
    with file.open("a") as out:

        def look() -> None:
            for token in revisions.update(follow.entries, router):
                revision = revisions.routers[token].head.revision
                out.write(f"{time.monotonic_ns()} {revision}\n")
                out.flush()

        follow = bus.follow(CONFIG, f"{router}.>", on_change=look)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(consume(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
