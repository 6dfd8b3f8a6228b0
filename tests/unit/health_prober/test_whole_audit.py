"""What no single key tells of makes a replica look at all again: a new picture, and a lease taken again.

A follow is opened anew on a connection that lives when it has missed something.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager

import msgspec

from tests.unit.health_prober.simulation.store import Change
from tests.unit.health_prober.simulation.story import simulated
from tests.unit.health_prober.simulation.world import Plan, World
from vipbus.contracts import Member, Opinion, TcpCheck, Verdict

SETTLED = 4.0
"""Seconds in which whatever was to be said has been said."""


def resumed(vantages: int, story: Callable[[World], Coroutine[None, None, None]]) -> None:
    """Run a story of as many replicas as check a target, which is up."""

    async def told() -> None:
        check = TcpCheck(address="10.9.1.0", port=80, interval=1.0, timeout=0.5, retry=0)
        world = World(
            random.Random(1), Plan(vantages=((vantages,),), check=check, damping=None), lambda _line: None
        )
        world.configure()
        for _ in range(vantages):
            world.start()
        await asyncio.sleep(SETTLED)
        assert verdict(world) == "up"
        await story(world)
        for replica in list(world.replicas.values()):
            await world.kill(replica)

    simulated(told)


@contextmanager
def unheard(world: World, bucket: str) -> Iterator[None]:
    """Let nobody hear of what is written, until the gap is noticed and every follow is opened anew."""
    held = world.store.bucket(bucket)
    followers, held.followers = held.followers, []
    yield
    held.followers = followers
    for replica in world.replicas.values():
        for follow in replica.bus._follows:
            follow.open()


@contextmanager
def heard_at_once(world: World, bucket: str) -> Iterator[None]:
    """Let everybody hear of what is written in one moment, as whoever stood still does."""
    held = world.store.bucket(bucket)
    changes: list[Change] = []
    followers, held.followers = held.followers, [changes.append]
    yield
    held.followers = followers
    for replica in world.replicas.values():
        for follow in replica.bus._follows:
            for change in changes if follow.bucket.name == bucket else ():
                follow.hear(change)


def remove(world: World, bucket: str, key: str) -> None:
    revision, _ = world.store.read(bucket, key)
    world.store.write(bucket, key, None, last=revision, ttl=None, writer="somebody")


def verdict(world: World) -> str:
    _, body = world.store.read("health", world.keys[0])
    return msgspec.json.decode(body, type=Verdict).verdict if body is not None else ""


def opinion(world: World, prober: str) -> Opinion | None:
    _, body = world.store.read("opinion", f"{world.keys[0]}.{prober}")
    return msgspec.json.decode(body, type=Opinion) if body is not None else None


def test_a_verdict_that_was_removed_unheard_is_said_again() -> None:
    async def story(world: World) -> None:
        with unheard(world, "health"):
            remove(world, "health", world.keys[0])
        await asyncio.sleep(SETTLED)
        assert verdict(world) == "up"

    resumed(1, story)


def test_an_opinion_that_was_removed_unheard_is_said_again() -> None:
    async def story(world: World) -> None:
        with unheard(world, "opinion"):
            for name in world.replicas:
                remove(world, "opinion", f"{world.keys[0]}.{name}")
        await asyncio.sleep(SETTLED)
        assert all(opinion(world, name) for name in world.replicas)

    resumed(2, story)


def test_a_lease_that_ended_and_was_taken_again_has_its_opinions_said_again() -> None:
    async def story(world: World) -> None:
        taken: dict[str, int] = {}
        with heard_at_once(world, "member"):
            for name in world.replicas:
                _, body = world.store.read("member", name)
                assert body is not None
                remove(world, "member", name)
                gone, _ = world.store.read("member", name)
                member = msgspec.structs.replace(msgspec.json.decode(body, type=Member), taken=0)
                taken[name] = world.store.write(
                    "member", name, msgspec.json.encode(member), last=gone, ttl=2, writer=name
                )
        await asyncio.sleep(SETTLED)
        for name, revision in taken.items():
            said = opinion(world, name)
            assert said is not None
            assert said.lease >= revision, "its opinion is of the lease before, and counts nowhere"

    resumed(2, story)
