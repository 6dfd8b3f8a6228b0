"""What the bus and the machine alone take: from the writing of a key-value bucket's value until it is seen.

One process writes and watches with nats-py as it comes, and does nothing else. What stands between a decision
and whoever acts on it cannot be less than that.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import nats
from nats.js.api import KeyValueConfig

_KEYS = 50
_BETWEEN = 0.01
"""Seconds between two writes."""


@dataclass(frozen=True)
class Seen:
    """When a value was written and when its watcher had it; nanoseconds since 1970."""

    written: int
    seen: int

    @property
    def seconds(self) -> float:
        """How long that took."""
        return (self.seen - self.written) * 1e-9


async def floor(url: str, writes: int) -> list[Seen]:
    """Write so many values, one after the other.

    Raises:
        nats.errors.Error: the server said no, or nothing within its library's patience.
    """
    client = await nats.connect(url)
    try:
        bucket = await client.jetstream().create_key_value(KeyValueConfig(bucket="floor"))
        found: list[Seen] = []
        async for entry in await bucket.watchall():
            seen = time.time_ns()
            if entry is not None:  # None: all that stood before was seen
                assert entry.value is not None
                found.append(Seen(int(entry.value), seen))
                await asyncio.sleep(_BETWEEN)
            if len(found) == writes:
                break
            await bucket.put(f"key.{len(found) % _KEYS}", str(time.time_ns()).encode())
    finally:
        await client.close()
    return found
