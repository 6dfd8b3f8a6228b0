"""Questions on a real bus: to one service, to the server itself, on a bus that goes; and a follow's end."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from tests.contract.test_bus import connected, run, verdict
from tests.support.nats import NatsServer
from tests.support.waiting import eventually_async
from tests.unit.ctl.documents import condition
from vipbus.bus import BusAwayError, Command, RefusedError, conditions, serve
from vipbus.contracts import HEALTH, ROLE
from vipbus.telemetry import trace

TRACE = trace.record("test")


def test_one_service_is_asked_and_every_process_of_it_answers(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as bus, connected(nats_server) as another:
            for each, router in ((bus, "router-a"), (another, "router-b")):
                told = condition("health-prober", router)
                serve(each, "health-prober", condition=lambda told=told: told, metadata={})  # type: ignore[misc]  # bound
            serve(bus, "vrrp-agent", condition=lambda: condition("vrrp-agent", "router-a"), metadata={})
            found: list[tuple[str, str | None]] = []
            async with asyncio.timeout(20):
                while len(found) < 2:
                    found = [(each.service, each.router) for each in await conditions(bus, "health-prober")]
            assert sorted(found) == [("health-prober", "router-a"), ("health-prober", "router-b")]
            assert await conditions(bus, "nobody") == []

    run(story)


def test_the_server_gives_a_sign_of_life_or_none(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as bus:
            assert await bus.answers(5)
            nats_server.kill()
            assert not await bus.answers(0.5)
            await eventually_async(lambda: not bus.connected, "the loss is noticed")
            assert not await bus.answers(0.5)
            nats_server.start()
            await bus.usable(30)
            assert await bus.answers(5)

    run(story)


def test_a_connection_that_is_over_is_a_bus_that_is_away(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as bus:
            assert await bus.request_many("nobody.serves.this", quiet=0.1, longest=5) == []
            serve(bus, "vrrp-agent", condition=lambda: condition("vrrp-agent", "router-a"), metadata={})
            async with asyncio.timeout(10):
                while not await conditions(bus):
                    pass
            asking = asyncio.ensure_future(bus.request_many("$SRV.PING", quiet=5, longest=5, enough=2))
            await bus.answers(5)  # the question is under way
            await bus.client().close()
            assert len(await asyncio.wait_for(asking, 10)) <= 1
            bus._usable.set()  # as it is for a moment, before the loss has been told
            with pytest.raises(BusAwayError):
                await bus.request_many("$SRV.PING", quiet=0.1, longest=0.1)
            assert not await bus.answers(0.5)

    run(story)


def test_a_subject_the_server_would_hang_up_on_is_refused_here(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as bus:
            with pytest.raises(RefusedError, match="too long"):
                await bus.request(f"vipbus.cmd.x.{'x' * 5000}", b"")
            assert await bus.answers(5)

    run(story)


def test_a_follow_that_has_ended_hears_no_more_and_disturbs_no_other(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as bus:
            changes = 0

            def changed() -> None:
                nonlocal changes
                changes += 1

            ended = bus.follow(HEALTH, on_change=changed)
            other = bus.follow(HEALTH)
            await eventually_async(lambda: ended.live and other.live, "both are followed")
            # one that ends while it is being opened is no different
            bus.unfollow(bus.follow(ROLE, on_change=changed))
            bus.unfollow(ended)
            before = changes
            told = verdict()
            await bus.write(HEALTH, told.key, msgspec.json.encode(told), last=0, trace=TRACE)
            await eventually_async(lambda: told.key in other.entries, "the other hears it")
            nats_server.kill()
            await eventually_async(lambda: not bus.connected, "the loss is noticed")
            nats_server.start()
            await bus.usable(30)
            await eventually_async(lambda: other.live, "the other is followed again")
            assert (changes, ended.live, dict(ended.entries)) == (before, False, {})

    run(story)


def test_a_shared_verb_is_done_by_one_process(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as bus, connected(nats_server) as another:
            done = {"shared": 0, "own": 0}

            def counting(verb: str) -> Command:
                async def count(_body: bytes) -> bytes:
                    done[verb] += 1
                    return b""

                return count

            for each, router in ((bus, "router-a"), (another, "router-b")):
                told = condition("config-service", router)
                served = serve(each, "config-service", condition=lambda told=told: told, metadata={})  # type: ignore[misc]  # bound
                served.add("shared", counting("shared"), shared=True)
                served.add("own", counting("own"))
            async with asyncio.timeout(20):
                while len(await conditions(bus, "config-service")) < 2:
                    pass
            # a service is found before all of its commands are
            await asyncio.gather(*(each.request("$SRV.PING", b"") for each in (bus, another)))
            for _ in range(10):
                await bus.request("vipbus.cmd.config-service.shared", b"", timeout=5)
                found = await bus.request_many("vipbus.cmd.config-service.own", quiet=5, longest=5, enough=2)
                assert len(found) == 2
            assert done == {"shared": 10, "own": 20}

    run(story)


def test_a_bucket_is_read_once_by_a_pattern(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as bus:
            assert await bus.read(HEALTH) == {}
            body = msgspec.json.encode(verdict())
            for key in ("a.x", "b.x", "b.y", "c.x"):
                await bus.write(HEALTH, key, body, last=0, trace=TRACE)
            await bus.write(HEALTH, "d.x", b"{", last=0, trace=TRACE)
            revision, _ = await bus.revision(HEALTH, "c.x")
            await bus.write(HEALTH, "c.x", None, last=revision, trace=TRACE)
            found = await bus.read(HEALTH, "*.x")
            assert sorted(found) == ["a.x", "b.x"]
            assert found["a.x"].value == verdict()
            assert sorted(await bus.read(HEALTH)) == ["a.x", "b.x", "b.y"]
            nats_server.kill()
            with pytest.raises(BusAwayError):
                await bus.read(HEALTH, timeout=0.5)

    run(story)


def test_a_follow_tells_what_was_deleted_from_what_was_never_there(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as bus:
            follow = bus.follow(HEALTH)
            body = msgspec.json.encode(verdict())
            last = await bus.write(HEALTH, "a.x", body, last=0, trace=TRACE)
            await eventually_async(lambda: "a.x" in follow.entries, "it is there")
            assert not follow.removed
            last = await bus.write(HEALTH, "a.x", None, last=last, trace=TRACE)
            await eventually_async(lambda: follow.removed == {"a.x": TRACE}, "it is deleted")
            late = bus.follow(HEALTH)
            await eventually_async(lambda: late.live and late.removed == {"a.x": TRACE}, "seen later too")
            await bus.write(HEALTH, "a.x", body, last=last, trace=TRACE)
            await eventually_async(lambda: "a.x" in late.entries and not late.removed, "it is there again")
            last, _ = await bus.revision(HEALTH, "a.x")
            await bus.write(HEALTH, "a.x", None, last=last, trace=TRACE)
            await eventually_async(lambda: "a.x" in follow.removed, "it is deleted again")
            nats_server.kill()
            nats_server.lose_store()
            nats_server.start()
            await eventually_async(lambda: follow.live and not follow.removed, "nothing is known", within=20)

    run(story)
