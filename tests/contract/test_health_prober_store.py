"""What the prober's simulation takes JetStream for: the same stories on its store and a real one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import pytest

from tests.support.nats import NatsServer
from tests.support.waiting import eventually_async
from tests.unit.health_prober.simulation.bus import SimulatedBus
from tests.unit.health_prober.simulation.loop import SimulatedLoop
from tests.unit.health_prober.simulation.store import Store
from vipbus.bus import Bus, BusAddress, BusAwayError, Follow, StaleWriteError
from vipbus.contracts import HEALTH, MEMBER, OPINION, Member, Opinion, Verdict
from vipbus.telemetry import trace

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
KEY = "vs.rs"


class Line:
    """One connection, real or simulated, and what the stories do with it."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    async def put(self, cause: str, last: int, key: str = KEY) -> int:
        virtual_server, real_server = key.split(".")
        verdict = Verdict(
            virtual_server=virtual_server,
            real_server=real_server,
            verdict="up",
            cause=cause,
            since=BEGIN,
            prober="p",
            lease=1,
        )
        return await self.bus.write(
            HEALTH, key, msgspec.json.encode(verdict), last=last, trace=trace.record("test")
        )

    async def remove(self, last: int, key: str = KEY) -> int:
        return await self.bus.write(HEALTH, key, None, last=last, trace=trace.record("test"))

    async def lease(self, prober: str, last: int, targets: int = 0) -> int:
        member = Member(prober=prober, since=BEGIN, targets=targets)
        return await self.bus.write(
            MEMBER, prober, msgspec.json.encode(member), last=last, trace=trace.record("test"), ttl=1
        )

    async def stale(self, writing: Awaitable[int]) -> None:
        with pytest.raises(StaleWriteError):
            await writing

    async def caught_up(self, follow: Follow[Any], revision: int) -> None:
        await eventually_async(lambda: follow.live and follow.revision >= revision, f"{revision} is heard")


Story = Callable[[Line, Line], Awaitable[None]]
"""On two connections to one store."""


async def a_write_must_know_the_keys_last_revision(one: Line, two: Line) -> None:
    assert await one.bus.revision(HEALTH, KEY) == (0, None)
    await one.stale(one.put("too much", last=1))
    first = await one.put("first", last=0)
    await two.stale(two.put("late", last=0))
    other = await two.put("another key", last=0, key="vs.other")
    assert other == first + 1
    # the last of the key counts, not that of the bucket
    second = await two.put("second", last=first)
    assert second == other + 1
    await one.stale(one.put("displaced", last=first))
    revision, body = await one.bus.revision(HEALTH, KEY)
    assert revision == second
    assert body is not None
    assert msgspec.json.decode(body, type=Verdict).cause == "second"


async def a_removed_key_keeps_a_revision_and_comes_back_on_it(one: Line, two: Line) -> None:
    first = await one.put("first", last=0)
    marker = await two.remove(last=first)
    assert await one.bus.revision(HEALTH, KEY) == (marker, None)
    await one.stale(one.put("as if it were new", last=0))
    await one.stale(one.put("as if it were there", last=first))
    again = await one.put("again", last=marker)
    assert again == marker + 1


async def a_follower_hears_everything_in_order(one: Line, two: Line) -> None:
    heard: list[tuple[str, str | None]] = []
    follow: Follow[Verdict]

    def note(key: str) -> None:
        entry = follow.entries.get(key)
        heard.append((key, entry.value.cause if entry is not None else None))

    follow = two.bus.follow(HEALTH, on_key=note)
    await two.caught_up(follow, 0)
    last = await one.put("0", last=0)
    for number in range(1, 20):
        last = await one.put(str(number), last=last)
    other = await one.put("other", last=0, key="vs.other")
    last = await one.remove(last=last)
    assert last == other + 1
    await two.caught_up(follow, last)
    assert heard == [(KEY, str(number)) for number in range(20)] + [("vs.other", "other"), (KEY, None)]
    assert set(follow.entries) == {"vs.other"}
    assert (follow.entries["vs.other"].revision, follow.revision) == (other, last)


async def a_follow_that_is_opened_late_has_the_whole_picture(one: Line, two: Line) -> None:
    first = await one.put("first", last=0)
    second = await one.put("second", last=0, key="vs.other")
    third = await one.put("third", last=first)
    last = await one.remove(last=second, key="vs.other")
    told: list[str] = []
    follow = two.bus.follow(HEALTH, on_key=told.append)
    await two.caught_up(follow, last)
    assert {key: (entry.value.cause, entry.revision) for key, entry in follow.entries.items()} == {
        KEY: ("third", third)
    }
    assert follow.revision == last
    assert told == []


async def a_lease_ends_unless_it_is_renewed(one: Line, two: Line) -> None:
    follow = two.bus.follow(MEMBER)
    await two.caught_up(follow, 0)
    left = await one.lease("left", last=0)
    kept = await one.lease("kept", last=0)
    loop = asyncio.get_running_loop()
    began = loop.time()
    while "left" in follow.entries or follow.revision < left:
        await asyncio.sleep(0.3)
        kept = await one.lease("kept", last=kept, targets=1)
        assert loop.time() - began < 10
    assert loop.time() - began > 0.9
    assert "kept" in follow.entries
    # its end has a revision of its own, greater than what was written before, and is what a new one must know
    marker, body = await one.bus.revision(MEMBER, "left")
    assert body is None
    assert left < marker <= follow.revision
    await one.stale(one.lease("left", last=left))
    await one.stale(one.lease("left", last=0))
    assert await one.lease("left", last=marker) > marker


async def a_mark_that_ends_is_followed_by_the_servers_own(one: Line, two: Line) -> None:
    follow = two.bus.follow(OPINION)
    opinion = Opinion(
        virtual_server="vs",
        real_server="rs",
        prober="p",
        verdict="up",
        cause="answered in 1 ms",
        since=BEGIN,
        lease=1,
    )
    body = msgspec.json.encode(opinion)
    written = await one.bus.write(OPINION, opinion.key, body, last=0, trace=trace.record("test"))
    marker = await one.bus.write(OPINION, opinion.key, None, last=written, trace=trace.record("test"), ttl=1)
    await two.caught_up(follow, marker)
    await two.caught_up(follow, marker + 1)
    assert follow.entries == {}
    assert await one.bus.revision(OPINION, opinion.key) == (marker + 1, None)
    for last in (0, written, marker):
        await one.stale(one.bus.write(OPINION, opinion.key, body, last=last, trace=trace.record("test")))
    again = await one.bus.write(OPINION, opinion.key, body, last=marker + 1, trace=trace.record("test"))
    await two.caught_up(follow, again)
    assert set(follow.entries) == {opinion.key}


STORIES: tuple[Story, ...] = (
    a_write_must_know_the_keys_last_revision,
    a_removed_key_keeps_a_revision_and_comes_back_on_it,
    a_follower_hears_everything_in_order,
    a_follow_that_is_opened_late_has_the_whole_picture,
    a_lease_ends_unless_it_is_renewed,
    a_mark_that_ends_is_followed_by_the_servers_own,
)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_the_real_store(story: Story, nats_server: NatsServer) -> None:
    async def play() -> None:
        buses = [Bus(BusAddress(url=nats_server.url), source="test") for _ in range(2)]
        for bus in buses:
            bus.start()
        for bus in buses:
            await bus.usable(30)
        try:
            await story(*(Line(bus) for bus in buses))
        finally:
            for bus in buses:
                await bus.close()

    asyncio.run(asyncio.wait_for(play(), 60))


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_the_simulated_store(story: Story) -> None:
    async def play() -> None:
        store = Store()
        buses = [SimulatedBus(store, name, random.Random(name)) for name in "ab"]
        for bus in buses:
            bus.heal()
        for bus in buses:
            await bus.usable(30)
        await story(*(Line(cast("Bus", bus)) for bus in buses))

    simulated(play)


def test_a_simulated_line_that_is_cut_behaves_as_a_real_one() -> None:
    """What comes of it on a real one is in test_bus.py: unknown, and read again."""

    async def play() -> None:
        store = Store()
        bus, other = (SimulatedBus(store, name, random.Random(name)) for name in "ab")
        for each in (bus, other):
            each.heal()
            await each.usable(30)
        line, observer = Line(cast("Bus", bus)), Line(cast("Bus", other))
        follow = bus.follow(HEALTH)
        await eventually_async(lambda: follow.live, "it is open")
        bus.cut()
        with pytest.raises(BusAwayError):
            await line.put("lost", last=0)
        await eventually_async(lambda: not bus.connected and not follow.live, "the loss is noticed")
        assert await observer.put("meanwhile", last=0) == 1
        assert follow.entries == {}
        bus.heal()
        await eventually_async(lambda: follow.live, "it is opened anew")
        assert follow.entries[KEY].value.cause == "meanwhile"

    simulated(play)


def simulated(play: Callable[[], Awaitable[None]]) -> None:
    loop = SimulatedLoop()
    try:
        loop.run_until_complete(asyncio.wait_for(play(), 60))
    finally:
        loop.close()
