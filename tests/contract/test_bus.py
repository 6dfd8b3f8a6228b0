"""The bus against a real nats-server: what the rest of the system relies on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from tests.support.nats import NatsServer
from tests.support.waiting import eventually_async
from vipbus.bus import (
    Bus,
    BusAddress,
    BusAwayError,
    RefusedError,
    StaleWriteError,
    StateWriter,
    conditions,
    records,
    serve,
    streams,
)
from vipbus.contracts import HEALTH, MEMBER, OPINION, Condition, ConfigRefused, Opinion, Verdict
from vipbus.runtime.life import connect
from vipbus.runtime.readiness import Readiness
from vipbus.runtime.settings import Settings
from vipbus.telemetry import trace


def verdict(
    name: str = "up", *, server: str = "10-9-0-21_80", lease: int = 1, cause: str = "test"
) -> Verdict:
    return Verdict(
        virtual_server="10-9-0-1_80_tcp",
        real_server=server,
        verdict=name,  # type: ignore[arg-type]  # the tests name only verdicts
        cause=cause,
        since=datetime(2026, 1, 1, tzinfo=UTC),
        prober="p1",
        lease=lease,
    )


@asynccontextmanager
async def connected(server: NatsServer, source: str = "test") -> AsyncIterator[Bus]:
    bus = Bus(BusAddress(url=server.url), source=source)
    bus.start()
    try:
        await bus.usable(30)
        yield bus
    finally:
        await bus.close()


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 60))  # type: ignore[arg-type]  # an async def is a coroutine function


def test_a_write_reaches_a_follow_whole_with_its_trace(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as bus:
            follow = bus.follow(HEALTH)
            await eventually_async(lambda: follow.live, "an empty bucket is followed")
            context = trace.record("test")
            revision = await bus.write(
                HEALTH, verdict().key, msgspec.json.encode(verdict()), last=0, trace=context
            )
            await eventually_async(lambda: follow.entries, "the write arrives")
            entry = follow.entries[verdict().key]
            assert entry.value == verdict()
            assert entry.revision == revision
            assert entry.trace == context

    run(story)


def test_compare_and_set_refuses_a_stale_owner(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as bus:
            context = trace.record("test")
            body = msgspec.json.encode(verdict())
            first = await bus.write(HEALTH, "a.b", body, last=0, trace=context)
            with pytest.raises(StaleWriteError):
                await bus.write(HEALTH, "a.b", body, last=0, trace=context)
            assert await bus.write(HEALTH, "a.b", body, last=first, trace=context) > first

    run(story)


def test_a_killed_bus_leaves_the_picture_and_comes_back_whole(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as bus, connected(nats_server, "other") as other:
            follow = bus.follow(HEALTH)
            writer = StateWriter(other, HEALTH)
            writer.set("a.b", verdict(), trace.record("test"))
            await eventually_async(lambda: "a.b" in follow.entries, "the first write arrives")
            nats_server.kill()
            await eventually_async(lambda: not bus.connected, "the loss is noticed")
            assert "a.b" in follow.entries
            assert not follow.live
            with pytest.raises(BusAwayError):
                await bus.write(HEALTH, "x.y", b"{}", last=0, trace=trace.record("test"))
            writer.set("a.b", verdict("down", cause="first"), trace.record("test"))
            writer.set("a.b", verdict("down", cause="last"), trace.record("test"))
            nats_server.start()
            took = await eventually_async(
                lambda: follow.live and follow.entries["a.b"].value.cause == "last", "the last value arrives"
            )
            assert took < 10
            await writer.close()

    run(story)


def test_a_saved_picture_is_there_before_the_bus(nats_server: NatsServer, tmp_path: Path) -> None:
    async def story() -> None:
        saved = tmp_path / "health.json"
        async with connected(nats_server) as bus:
            follow = bus.follow(HEALTH, saved=saved)
            await bus.write(HEALTH, "a.b", msgspec.json.encode(verdict()), last=0, trace=trace.record("test"))
            await eventually_async(lambda: follow.entries, "the write arrives")
            follow.save_now()
        offline = Bus(BusAddress(url="nats://127.0.0.1:1"), source="offline")
        again = offline.follow(HEALTH, saved=saved)
        assert again.known
        assert not again.live
        assert again.entries["a.b"].value == verdict()

    run(story)


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b'{"bucket":"role","entries":{}}',
        b"\xff\xfe",
        b'{"bucket":"health","entries":{"a":{"revision":1,"body":"!"}}}',
    ],
)
def test_a_damaged_saved_picture_is_ignored(tmp_path: Path, damage: bytes) -> None:
    saved = tmp_path / "health.json"
    saved.write_bytes(damage)
    follow = Bus(BusAddress(url="nats://127.0.0.1:1"), source="offline").follow(HEALTH, saved=saved)
    assert not follow.known
    assert not follow.entries


def test_a_body_that_is_no_document_leaves_the_last_good_one(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as bus:
            follow = bus.follow(HEALTH)
            context = trace.record("test")
            last = await bus.write(HEALTH, "a.b", msgspec.json.encode(verdict()), last=0, trace=context)
            await eventually_async(lambda: follow.live and follow.entries, "the good body arrives")
            for noise in (b"{", b"\xff", b"[]", b'{"verdict":"maybe"}', b"null"):
                last = await bus.write(HEALTH, "a.b", noise, last=last, trace=context)
            await eventually_async(lambda: "a.b" in follow.malformed, "the noise is seen")
            assert follow.entries["a.b"].value == verdict()
            await bus.write(HEALTH, "a.b", msgspec.json.encode(verdict("down")), last=last, trace=context)
            await eventually_async(lambda: not follow.malformed, "a good body clears it")
            assert follow.entries["a.b"].value.verdict == "down"

    run(story)


def test_a_displaced_owner_does_not_overwrite_its_successor(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as bus:

            def newer(current: Verdict, mine: Verdict) -> bool:
                return current.lease <= mine.lease

            old, new = (StateWriter(bus, HEALTH, may_replace=newer) for _ in range(2))
            old.set("a.b", verdict(lease=1), trace.record("test"))
            assert await old.flushed(5)
            new.set("a.b", verdict("down", lease=2), trace.record("test"))
            assert await new.flushed(5)
            old.set("a.b", verdict("up", lease=1, cause="late"), trace.record("test"))
            assert await old.flushed(5)
            assert "a.b" in old.refused
            _, body = await bus.revision(HEALTH, "a.b")
            assert body is not None
            assert msgspec.json.decode(body, type=Verdict).lease == 2
            await old.close()
            await new.close()

    run(story)


def test_keys_do_not_wait_for_each_other_and_the_last_word_of_each_is_the_last(
    nats_server: NatsServer,
) -> None:
    async def story() -> None:
        async with connected(nats_server) as bus:
            keys = [f"v.r{number}" for number in range(200)]
            heard: dict[str, list[str]] = {key: [] for key in keys}
            follow = bus.follow(HEALTH, on_key=lambda key: heard[key].append(follow.entries[key].value.cause))
            await eventually_async(lambda: follow.live, "the follow is live")
            under_way: list[int] = []
            writer = StateWriter(bus, HEALTH, on_written=lambda *_: under_way.append(len(writer._under_way)))
            for word in ("first", "second", "last"):
                for key in keys:
                    writer.set(key, verdict(cause=word), trace.record("test"))
            assert await writer.flushed(10)
            await eventually_async(
                lambda: all(said[-1:] == ["last"] for said in heard.values()), "all is heard"
            )
            order = ["first", "second", "last"]
            assert all(said == sorted(said, key=order.index) for said in heard.values())
            assert 1 < max(under_way) <= 64
            # what is known of a key is written by the call itself: before anything else has its turn
            writer.set("v.r0", verdict(cause="now"), trace.record("test"))
            assert len(bus._posts._waiting) == 1
            assert await writer.flushed(10)
            await writer.close()

    run(story)


def test_what_a_lost_connection_did_not_answer_is_written_over_the_next(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as bus:
            writer = StateWriter(bus, HEALTH)
            for number in range(100):
                writer.set(f"v.r{number}", verdict(), trace.record("test"))
            nats_server.kill()
            for number in range(100):
                writer.set(f"v.r{number}", verdict(cause="last"), trace.record("test"))
            assert not await writer.flushed(0.2)
            nats_server.start()
            assert await writer.flushed(20)
            entries = await bus.read(HEALTH)
            assert {entry.value.cause for entry in entries.values()} == {"last"}
            assert len(entries) == 100
            await writer.close()

    run(story)


def test_a_writer_that_starts_again_leaves_what_says_the_same(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as bus:

            def same(current: Verdict, mine: Verdict) -> bool:
                return current.verdict == mine.verdict

            revisions = []
            for told in (verdict(cause="first"), verdict(cause="again"), verdict("down", cause="news")):
                writer = StateWriter(bus, HEALTH, same=same)
                writer.set("a.b", told, trace.record("test"))
                assert await writer.flushed(5)
                revisions.append(await bus.revision(HEALTH, "a.b"))
                await writer.close()
            first, again, news = revisions
            assert again == first
            assert news[0] == first[0] + 1

    run(story)


def test_a_bus_that_takes_no_writes_is_told_of(nats_server: NatsServer, tmp_path: Path) -> None:
    async def story() -> None:
        settings = Settings(
            router="router-a", state_dir=tmp_path, bus=nats_server.url, log="line", listen=None
        )
        life = connect("health-prober", settings, Readiness("health-prober", "router-a"))
        bus = life.bus
        bus.start()
        await bus.usable(30)
        js = bus.client().jetstream()

        async def write() -> None:
            await bus.write(HEALTH, "a.b", b"{}", last=0, trace=trace.record("test"))

        # nobody stores what is written: as a full disk leaves it behind
        await js.delete_stream("KV_health")
        with pytest.raises(BusAwayError):
            await write()
        assert len(life.readiness.problems) == 1
        assert "takes no writes: no answer to a write of health a.b" in life.readiness.problems[0]
        assert "make room and restart nats-server" in life.readiness.problems[0]
        await streams.ensure(js)
        await write()
        assert life.readiness.problems == ()
        await bus.close()

    run(story)


def test_a_write_whose_answer_was_lost_is_found_again(
    nats_server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    async def story() -> None:
        async with connected(nats_server) as bus:
            js = bus.client().jetstream()
            stored = (await js.stream_info("KV_health")).config
            await js.update_stream(stored.evolve(no_ack=True))
            writer = StateWriter(bus, HEALTH)
            writer.set("a.b", verdict(), trace.record("test"))
            assert await writer.flushed(10)
            assert bus.not_taken == ""
            assert "takes no writes" in caplog.text
            assert "takes writes again" in caplog.text
            await writer.close()

    run(story)


def test_a_lease_expires_and_can_be_taken_again(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as bus:
            follow = bus.follow(MEMBER)
            body = b'{"prober":"p1","since":"2026-01-01T00:00:00Z","targets":0}'
            await bus.write(MEMBER, "p1", body, last=0, trace=trace.record("test"), ttl=1)
            await eventually_async(lambda: "p1" in follow.entries, "the lease is seen")
            await eventually_async(lambda: "p1" not in follow.entries, "the lease expires")
            revision, present = await bus.revision(MEMBER, "p1")
            assert present is None
            await bus.write(MEMBER, "p1", body, last=revision, trace=trace.record("test"), ttl=1)

    run(story)


def test_history_keeps_every_write_and_every_event(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as bus:
            last = 0
            for number in range(5):
                last = await bus.write(
                    HEALTH,
                    "a.b",
                    msgspec.json.encode(verdict(cause=str(number))),
                    last=last,
                    trace=trace.record("test"),
                )
            event = ConfigRefused(router="r1", source="x.conf", reason="x.conf:1: no", running_revision=0)
            await bus.publish(event, trace.record("test"))

            # the history reads the buckets behind their writers: right after its making, a moment later
            seen: list[tuple[str, str]] = []
            async with asyncio.timeout(20):
                while len(seen) < 6:
                    seen = [
                        (record.subject, record.headers["ce-type"])
                        async for record in records(bus, "vipbus.>", follow=False)
                    ]
            assert seen.count(("vipbus.state.health.a.b", "vipbus.state.health")) == 5
            assert ("vipbus.event.config.r1.refused", "vipbus.event.config.refused") in seen

    run(story)


def test_services_are_found_and_answer(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as bus:
            condition = Condition(
                service="health-prober",
                router=None,
                instance_id="1",
                version="0",
                pid=1,
                started=datetime(2026, 1, 1, tzinfo=UTC),
                ready=False,
                problems=("nothing to do",),
            )

            async def echo(body: bytes) -> bytes:
                if not body:
                    raise ValueError("say something")
                return body

            serve(bus, "health-prober", condition=lambda: condition, metadata={}, commands={"echo": echo})
            found: list[Condition] = []
            for _ in range(100):
                found = await conditions(bus, quiet=0.1)
                if found:
                    break
            assert found == [condition]
            assert await bus.request("vipbus.cmd.health-prober.echo", b"1") == b"1"
            with pytest.raises(RefusedError, match="say something"):
                await bus.request("vipbus.cmd.health-prober.echo", b"")
            with pytest.raises(BusAwayError, match="nobody serves"):
                await bus.request("vipbus.cmd.nobody.echo", b"1")

    run(story)


def test_a_bus_that_is_not_there_is_said_in_one_line() -> None:
    async def story() -> None:
        bus = Bus(BusAddress(url="nats://127.0.0.1:1"), source="test")
        bus.start()
        with pytest.raises(BusAwayError, match=r"nats://127\.0\.0\.1:1 does not answer"):
            await bus.usable(0.5)
        await bus.close()

    run(story)


def test_a_body_nested_without_end_blinds_nobody(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as bus:
            deep = b'{"more":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
            await bus.write(HEALTH, "a.b", deep, last=0, trace=trace.record("test"))
            follow = bus.follow(HEALTH)
            await eventually_async(lambda: follow.live, "the picture is whole all the same")
            assert "a.b" in follow.malformed
            await bus.write(
                HEALTH, verdict().key, msgspec.json.encode(verdict()), last=0, trace=trace.record("test")
            )
            await eventually_async(lambda: follow.entries, "what comes after it arrives")

    run(story)


def test_what_is_too_large_for_the_bus_holds_nothing_else_up(nats_server: NatsServer) -> None:
    large = "x" * 2_000_000

    async def story() -> None:
        async with connected(nats_server) as bus:
            writer = StateWriter(bus, HEALTH)
            writer.set(verdict().key, verdict(cause=large), trace.record("test"))
            writer.set("a.b", verdict(), trace.record("test"))
            assert await writer.flushed(5)
            assert "max_payload" in writer.refused[verdict().key]
            for reason in (large, "small"):
                event = ConfigRefused(router="a", source="f", reason=reason, running_revision=0)
                await bus.publish(event, trace.record("test"))
            found = [record async for record in records(bus, "vipbus.event.config.a.refused", follow=False)]
            assert [msgspec.json.decode(one.body)["reason"] for one in found] == ["small"]
            await writer.close()

    run(story)


def test_a_fault_in_a_callback_ends_the_connection(nats_server: NatsServer) -> None:
    def fail() -> None:
        raise ZeroDivisionError("on purpose")

    async def story() -> None:
        async with connected(nats_server) as bus:
            bus.follow(HEALTH, on_change=fail)
            async with asyncio.timeout(5):
                await bus.closed.wait()
            assert "on purpose" in bus.ending

    run(story)


def test_a_writer_that_may_not_any_more_writes_nothing(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as bus:
            follow = bus.follow(HEALTH)
            await eventually_async(lambda: follow.live, "it is followed")
            may = False
            writer = StateWriter(bus, HEALTH, may_write=lambda _key: may)
            writer.set("a.b", verdict(), trace.record("test"))
            await eventually_async(lambda: "a.b" in writer.refused, "it is refused here")
            may = True
            writer.set("c.d", verdict("down"), trace.record("test"))
            await eventually_async(lambda: "c.d" in follow.entries, "another is written")
            assert "a.b" not in follow.entries
            assert await writer.flushed(1)

    run(story)


def test_the_mark_of_a_deleted_key_can_be_one_that_ends(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as bus:
            changes: list[str] = []
            follow = bus.follow(OPINION, on_key=changes.append)
            await eventually_async(lambda: follow.live, "it is followed")
            opinion = Opinion(
                virtual_server="vs",
                real_server="rs",
                prober="p",
                verdict="up",
                cause="test",
                since=datetime(2026, 1, 1, tzinfo=UTC),
                lease=1,
            )
            writer = StateWriter(bus, OPINION, marker_ttl=1)
            writer.set(opinion.key, opinion, trace.record("test"))
            await eventually_async(lambda: opinion.key in follow.entries, "it is written")
            writer.delete(opinion.key, trace.record("test"))
            await eventually_async(lambda: opinion.key not in follow.entries, "it is deleted")
            deleted = follow.revision
            # the server marks the end of the mark itself, and that mark ends without another
            await eventually_async(lambda: follow.revision > deleted, "the mark ends")
            assert changes == [opinion.key] * 3

    run(story)


def test_many_writes_are_each_compared_and_set(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as one:
            now = datetime.now(UTC)
            first = await one.write_many(
                HEALTH, [(f"v.{n}", b"%d" % n, 0) for n in range(3000)], trace=trace.record("test"), time=now
            )
            assert [found for found in first if found] == sorted(set(map(int, filter(None, first))))
            assert len(first) == 3000
            again = [
                ("v.0", b"new", first[0] or 0),
                ("v.1", b"stale", 0),
                ("v.2", None, first[2] or 0),
                ("v.3000", b"new", 0),
            ]
            second = await one.write_many(HEALTH, again, trace=trace.record("test"), time=now)
            assert [found is None for found in second] == [False, True, False, False]
            assert await one.revision(HEALTH, "v.0") == (second[0], b"new")
            assert await one.revision(HEALTH, "v.1") == (first[1], b"1")
            assert await one.revision(HEALTH, "v.2") == (second[2], None)
            with pytest.raises(RefusedError, match="too many for the bus"):
                await one.write_many(
                    HEALTH, [("v.x", b"x" * 2_000_000, 0)], trace=trace.record("test"), time=now
                )
            assert await one.write_many(HEALTH, [], trace=trace.record("test"), time=now) == []

    run(story)


def test_many_writes_to_a_bus_that_dies_are_unknown(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as one:
            nats_server.kill()
            with pytest.raises(BusAwayError):
                await one.write_many(
                    HEALTH,
                    [(f"v.{n}", b"x", 0) for n in range(2000)],
                    trace=trace.record("test"),
                    time=datetime.now(UTC),
                )

    run(story)
