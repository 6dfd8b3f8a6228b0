"""The buckets and the history stream: made where they are missing, left alone where an operator changed them.

The history reads the buckets as stream sources. It could capture the republished subjects instead, but a
republished copy keeps the header of its compare-and-set, and the capturing stream applies it to its own
sequence: every write after a key's first was dropped without a word (nats-server 2.15.1).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from nats.js import JetStreamContext
from nats.js.api import (
    DiscardPolicy,
    KeyValueConfig,
    RePublish,
    StorageType,
    StreamConfig,
    StreamSource,
    SubjectTransform,
)
from nats.js.errors import NotFoundError

from vipbus.contracts import BUCKETS, EVENT_SUBJECTS, HISTORY_STREAM, Bucket

_MARKER_TTL = 60
"""Seconds that the marker of an expired lease stays; the server asks for 60 at least."""
_HISTORY_SECONDS = 7 * 24 * 3600
_HISTORY_BYTES = 256 * 1024 * 1024
_HISTORY_DUPLICATE_WINDOW = 120


def stream_name(bucket: Bucket[Any]) -> str:
    """Name the stream behind a bucket, as NATS does."""
    return f"KV_{bucket.name}"


async def ensure(js: JetStreamContext) -> None:
    """Make every bucket and the history that is not there yet."""
    missing = await _missing(js, [*map(stream_name, BUCKETS), HISTORY_STREAM])
    for bucket in BUCKETS:
        if stream_name(bucket) in missing:
            await js.create_key_value(
                KeyValueConfig(
                    bucket=bucket.name,
                    description=f"written by {bucket.writer}",
                    history=bucket.history,
                    storage=StorageType.FILE,
                    republish=RePublish(src=f"$KV.{bucket.name}.>", dest=bucket.subject),
                    limit_marker_ttl=_MARKER_TTL if bucket.leases else None,
                    direct=True,
                )
            )
    if HISTORY_STREAM in missing:
        await js.add_stream(
            StreamConfig(
                name=HISTORY_STREAM,
                description="every state write and every event, for replay",
                subjects=[EVENT_SUBJECTS],
                sources=[
                    StreamSource(
                        name=stream_name(bucket),
                        subject_transforms=[
                            SubjectTransform(src=f"$KV.{bucket.name}.>", dest=bucket.subject)
                        ],
                    )
                    for bucket in BUCKETS
                    if not bucket.leases  # a renewal every second is no history
                ],
                storage=StorageType.FILE,
                discard=DiscardPolicy.OLD,
                max_age=_HISTORY_SECONDS,
                max_bytes=_HISTORY_BYTES,
                duplicate_window=_HISTORY_DUPLICATE_WINDOW,
            )
        )


async def _missing(js: JetStreamContext, names: Sequence[str]) -> set[str]:
    """Find the streams that are not there; all are asked for at once, since a start waits for the answers."""
    found = await asyncio.gather(*map(js.stream_info, names), return_exceptions=True)
    missing = set()
    for name, answer in zip(names, found, strict=True):
        if isinstance(answer, NotFoundError):
            missing.add(name)
        elif isinstance(answer, BaseException):
            raise answer
    return missing
