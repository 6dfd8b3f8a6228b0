"""Publish a configuration as config-service does, for tests of whoever consumes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

import msgspec

from vipbus.bus import Bus, BusAddress
from vipbus.contracts import CONFIG, Entity, Head, encoded, entity_count, name_token, revision_digest
from vipbus.telemetry import trace


def publish_config(bus_url: str, entities: Iterable[Entity], router: str) -> int:
    """Make ``entities`` the router's whole configuration; return the revision's number."""

    async def publish() -> int:
        bus = Bus(BusAddress(url=bus_url), source="config-service")
        bus.start()
        try:
            return await publish_config_on(bus, entities, router)
        finally:
            await bus.close()

    return asyncio.run(asyncio.wait_for(publish(), 30))


async def publish_config_on(
    bus: Bus,
    entities: Iterable[Entity],
    router: str,
    *,
    before_head: Callable[[], None] = lambda: None,
) -> int:
    """As `publish_config`, over a connection that is there; with the head the revision is an event."""
    follow = bus.follow(CONFIG, f"{name_token(router)}.>")
    await bus.usable(30)
    while not follow.live:  # noqa: ASYNC110  # the caller has a time limit
        await asyncio.sleep(0.01)
    before = dict(follow.entries)
    bus.unfollow(follow)
    context = trace.record("publish")
    bodies = encoded(entities)

    async def write(keys: Iterable[str], contents: Mapping[str, bytes]) -> None:
        lasts = [
            (key, before[key].revision if key in before else (await bus.revision(CONFIG, key))[0])
            for key in keys
        ]
        writes = [(key, contents.get(key), last) for key, last in lasts]
        done = await bus.write_many(CONFIG, writes, trace=context, time=datetime.now(UTC))
        assert None not in done, "somebody else wrote too"

    old_head = next((entry.value for entry in before.values() if isinstance(entry.value, Head)), None)
    head = Head(
        router=router,
        revision=old_head.revision + 1 if old_head else 1,
        entities=entity_count(bodies),
        digest=revision_digest(bodies),
        source="test",
        accepted_at=datetime.now(UTC),
    )
    gone = [key for key in before if key not in bodies and key != head.key]
    changed = [key for key, body in bodies.items() if key not in before or before[key].body != body]
    await write([*changed, *gone], bodies)
    before_head()
    await write([head.key], {head.key: msgspec.json.encode(head)})
    return head.revision
