"""Pools that are held, on a real bus: the table, its document, the events, the problem; over restarts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec

from tests.unit.ipvs_programmer.test_loop import SERVICE
from tests.unit.ipvs_programmer.world import EPOCH, Story, World, instance, real_server, virtual_server
from vipbus.bus import records
from vipbus.contracts import Entity, PoolHeld, PoolReleased

Tell = Callable[[Story], None]
ADDRESSES = ("10.9.0.21", "10.9.0.22", "10.9.0.23")
TOKENS = tuple(f"{address.replace('.', '-')}_80" for address in ADDRESSES)
ALL = {SERVICE: [f"{address}:80 1" for address in ADDRESSES]}


def pool(below: int = 50) -> tuple[Entity, ...]:
    return (instance(), virtual_server(hold_below=below), *(real_server(address) for address in ADDRESSES))


async def steady(w: World, *, below: int = 50) -> None:
    w.addresses.set("10.9.0.1")
    w.configure(*pool(below))
    w.role("active", 1)
    for address in ADDRESSES:
        w.verdict("up", address)
    await w.settled()
    w.run()
    await w.until(lambda: w.held() == ALL, "the table is filled")


async def goes_down(w: World, address: str, after: float) -> None:
    """Have it go down so many seconds after the beginning of time, and wait until it was heard."""
    w.verdict("down", address, cause="timed out after 1 s", since=EPOCH + timedelta(seconds=after))
    await w.settled()


async def all_fail(w: World) -> None:
    """One is followed; with the second, two of three are down."""
    await goes_down(w, ADDRESSES[0], 1)
    await w.until(lambda: len(w.held()[SERVICE]) == 2, "the first leaves")
    for number in (1, 2):
        await goes_down(w, ADDRESSES[number], 1 + number)
    await w.until(lambda: (d := w.document()) and len(d.held) == 2, "the others are held")


async def said(w: World, count: int) -> list[PoolHeld | PoolReleased]:
    """Read the first events of pools."""
    found: list[PoolHeld | PoolReleased] = []
    async for record in records(w.bus, "vipbus.event.pool.>", follow=True):
        kind = PoolHeld if record.subject.endswith(".held") else PoolReleased
        found.append(msgspec.json.decode(record.body, type=kind))
        if len(found) == count:
            break
    return found


KEPT = {SERVICE: ALL[SERVICE][1:]}


def test_the_last_state_is_held_and_said(tell: Tell) -> None:
    async def story(w: World) -> None:
        await steady(w)
        await all_fail(w)
        assert w.held() == KEPT
        document = w.document()
        assert document is not None
        assert document.held == TOKENS[1:]
        assert len(document.destinations) == 2
        await w.until(lambda: "TCP 10.9.0.1:80 is held as it was" in w.problems(), "it is a problem")
        assert "10.9.0.22:80, 10.9.0.23:80" in w.problems()
        w.verdict("up", ADDRESSES[2], cause="answered in 1 ms")
        await w.until(lambda: (d := w.document()) and len(d.held) == 1, "one is not enough")
        assert w.held() == KEPT
        w.verdict("up", ADDRESSES[1], cause="answered in 2 ms")
        await w.until(lambda: (d := w.document()) and not d.held, "two of three are")
        assert w.held() == KEPT
        await w.until(lambda: w.problems() == "", "no problem is left")
        events = await said(w, 2)
        held, released = events
        assert held == PoolHeld(router="router-a", virtual_server=virtual_server().id, down=TOKENS[1:2], of=3)
        assert released == PoolReleased(
            router="router-a",
            virtual_server=virtual_server().id,
            cause="10.9.0.22:80 is up: answered in 2 ms",
        )

    tell(story)


def test_an_operator_passes_through_and_ends_it(tell: Tell) -> None:
    async def story(w: World) -> None:
        await steady(w)
        await all_fail(w)
        w.operator("drain", ADDRESSES[1])
        await w.until(
            lambda: w.held() == {SERVICE: ["10.9.0.22:80 0", "10.9.0.23:80 1"]}, "a held one is drained"
        )
        w.operator("disable", ADDRESSES[1])
        await w.until(lambda: w.held() == {SERVICE: ["10.9.0.23:80 1"]}, "and disabled")
        w.operator("disable", ADDRESSES[2])
        await w.until(lambda: w.held() == {SERVICE: []}, "none is held any more")
        await w.until(lambda: w.problems() == "", "no problem is left")
        w.operator(None, ADDRESSES[1])
        await w.settled()
        w.verdict("up", ADDRESSES[0])
        await w.until(lambda: w.held() == {SERVICE: ["10.9.0.21:80 1"]}, "what is enabled and down stays out")

    tell(story)


def test_a_restart_goes_on_with_it(tell: Tell) -> None:
    async def story(w: World) -> None:
        await steady(w)
        await all_fail(w)
        await w.kill()
        w.kernel.batches.clear()
        w.run()
        await w.until(lambda: "is held as it was" in w.problems(), "it is held again")
        await w.until(lambda: (d := w.document()) and d.held == TOKENS[1:], "the same ones")
        assert w.held() == KEPT
        assert not w.operations()

    tell(story)


def test_a_router_that_takes_over_holds_too(tell: Tell) -> None:
    async def story(w: World) -> None:
        await steady(w)
        w.addresses.set()
        w.role("backup", 2)
        await w.until(lambda: w.held() == {}, "a standby has no table")
        for number, address in enumerate(ADDRESSES):
            await goes_down(w, address, number)
        assert w.problems() == ""
        w.role("active", 3)
        await w.until(lambda: (a := w.armed()) and a.armed and a.epoch == 3, "it takes over")
        assert len(w.held()[SERVICE]) >= 2
        await w.until(lambda: "is held as it was" in w.problems(), "and says so")
        w.role("backup", 4)
        await w.until(lambda: w.problems() == "", "a standby holds nothing")

    tell(story)


def test_a_router_that_starts_late_holds_what_others_hold(tell: Tell) -> None:
    async def story(w: World) -> None:
        for number, address in enumerate(ADDRESSES):
            await goes_down(w, address, number)
        w.addresses.set("10.9.0.1")
        w.configure(*pool())
        await w.settled()
        w.run()
        await w.until(lambda: w.held() == ALL, "as if it had been there")
        await w.until(lambda: "is held as it was" in w.problems(), "and says so")

    tell(story)


def test_what_died_slowly_stays_out_over_a_start(tell: Tell) -> None:
    async def story(w: World) -> None:
        for number, address in enumerate(ADDRESSES):
            await goes_down(w, address, number * 100)
        w.addresses.set("10.9.0.1")
        w.configure(*pool())
        await w.settled()
        w.run()
        await w.until(lambda: w.held() == {SERVICE: []}, "all are out")
        assert w.problems() == ""

    tell(story)


def test_a_share_of_nothing_lets_go(tell: Tell) -> None:
    async def story(w: World) -> None:
        await steady(w)
        await all_fail(w)
        w.configure(*pool(0))
        await w.until(lambda: w.held() == {SERVICE: []}, "verdicts are followed")
        await w.until(lambda: w.problems() == "", "no problem is left")
        w.configure(*pool())
        await w.settled()
        await w.until(lambda: (d := w.document()) and d.revision == 3, "a share again")
        assert w.held() == {SERVICE: []}

    tell(story)
