"""Quorum, slow starts and drains on a real bus: the table, its document, the events; over restarts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from ipvs_programmer.table import Counts, DestinationKey
from tests.unit.ipvs_programmer.tables import key
from tests.unit.ipvs_programmer.test_loop import BOTH, ONE, SAID, SERVICE, steady
from tests.unit.ipvs_programmer.world import Story, World, instance, real_server, virtual_server
from vipbus.bus import records
from vipbus.contracts import EVENTS, Destination, Entity, Event, SlowStart, SorryServer, VirtualServer

Tell = Callable[[Story], None]
SORRY = SorryServer(address="10.9.0.9", port=80, forwarding="NAT")
A = DestinationKey("10.9.0.21", 80)


def pool(
    *numbers: int, virtual: VirtualServer | None = None, weight: int = 1, **more: Any
) -> tuple[Entity, ...]:
    virtual = virtual or virtual_server()
    reals = [real_server(f"10.9.0.{number}", of=virtual, weight=weight) for number in numbers]
    return (instance(), virtual, *(msgspec.structs.replace(real, **more) for real in reals))


async def said(w: World, count: int) -> list[Event]:
    """Read the first events of pools and destinations."""
    kinds = {(kind.aggregate, kind.verb): kind for kind in EVENTS}
    found: list[Event] = []
    async for record in records(w.bus, "vipbus.event.>", follow=True):
        _, _, aggregate, _, verb = record.subject.split(".")
        if aggregate in {"pool", "destination"}:
            found.append(msgspec.json.decode(record.body, type=kinds[aggregate, verb]))
            if len(found) == count:
                break
    return found


def told(events: list[Event]) -> list[tuple[str, Any]]:
    return [
        (event.verb, getattr(event, "met", getattr(event, "outcome", getattr(event, "connections", None))))
        for event in events
    ]


def destination(w: World, address: str = "10.9.0.21") -> Destination | None:
    """What is said of a destination."""
    document = w.document()
    found = [each for each in document.destinations if each.address == address] if document else []
    return found[0] if found else None


def test_the_sorry_server_takes_over_and_gives_back(tell: Tell) -> None:
    async def story(w: World) -> None:
        virtual = virtual_server(quorum=2, sorry_server=SORRY)
        w.addresses.set("10.9.0.1")
        w.configure(*pool(21, 22, virtual=virtual))
        await w.settled()
        w.run()
        await w.until(lambda: w.held() == BOTH, "the table is filled")
        await w.until(lambda: (d := w.document()) and d.quorum and d.live_weight == 2, "the quorum is said")
        w.kernel.batches.clear()
        cause = w.verdict("down", cause="connection refused")
        await w.until(lambda: w.held() == {SERVICE: ["10.9.0.9:80 1"]}, "the sorry server serves")
        assert w.operations() == [
            "add destination 10.9.0.9:80 to TCP 10.9.0.1:80 weight 1",
            "delete destination 10.9.0.21:80 from TCP 10.9.0.1:80",
            "delete destination 10.9.0.22:80 from TCP 10.9.0.1:80",
        ]
        await w.until(lambda: (d := w.document()) and not d.quorum, "the loss is said")
        assert (d := w.document()) is not None
        assert (d.live_weight, d.destinations[0].reason, d.destinations[0].configured) == (1, "sorry", None)
        assert (written := w.trace_of(SAID)) is not None
        assert written.trace_id == cause.trace_id
        await w.kill()
        w.kernel.batches.clear()
        w.run()
        w.verdict("up")
        await w.until(lambda: w.held() == BOTH, "the pool serves again")
        assert w.operations()[-1] == "delete destination 10.9.0.9:80 from TCP 10.9.0.1:80"
        lost, gained = await said(w, 2)
        assert told([lost, gained]) == [("quorum-changed", False), ("quorum-changed", True)]
        assert (lost.sorry_server, lost.weight) == ("10-9-0-9_80", 1)  # type: ignore[attr-defined]  # it is one
        assert lost.cause == "10.9.0.21:80 is down: connection refused"  # type: ignore[attr-defined]  # likewise

    tell(story)


def test_a_restart_within_the_hysteresis_stays_with_the_sorry_server(tell: Tell) -> None:
    async def story(w: World) -> None:
        virtual = virtual_server(quorum=2, hysteresis=1, sorry_server=SORRY)
        w.addresses.set("10.9.0.1")
        w.configure(*pool(21, 22, 23, virtual=virtual))
        for number in (21, 22, 23):
            w.verdict("down", f"10.9.0.{number}")
        await w.settled()
        w.run()
        lost = {SERVICE: ["10.9.0.9:80 1"]}
        await w.until(lambda: w.held() == lost, "the sorry server serves")
        for number in (21, 22):
            w.verdict("up", f"10.9.0.{number}")
        await w.until(lambda: (d := w.document()) and d.live_weight == 2, "2 is not enough to gain it")
        assert w.held() == lost
        await w.kill()
        w.kernel.batches.clear()
        w.run()
        await w.until(lambda: (d := w.document()) and d.live_weight == 2, "it is there again")
        w.verdict("down", "10.9.0.22")
        await w.until(lambda: (d := w.document()) and d.live_weight == 1, "and hears")
        assert w.held() == lost
        assert w.operations() == []
        for number in (22, 23):
            w.verdict("up", f"10.9.0.{number}")
        await w.until(lambda: len(w.held()[SERVICE]) == 3, "3 is")

    tell(story)


def test_what_is_inhibited_is_said(tell: Tell) -> None:
    async def story(w: World) -> None:
        w.addresses.set("10.9.0.1")
        w.configure(*pool(21, 22, inhibit_on_failure=True))
        await w.settled()
        w.run()
        await w.until(lambda: w.held() == BOTH, "the table is filled")
        w.verdict("down")
        await w.until(
            lambda: w.held() == {SERVICE: ["10.9.0.21:80 0", "10.9.0.22:80 1"]}, "it stays with weight 0"
        )
        await w.until(lambda: (d := destination(w)) and d.reason == "inhibited", "and that is said")
        w.verdict("up")
        await w.until(lambda: w.held() == BOTH, "it is back")

    tell(story)


def test_a_slow_start_goes_on_by_itself_and_over_a_restart(tell: Tell) -> None:
    async def story(w: World) -> None:
        w.addresses.set("10.9.0.1")
        w.configure(*pool(21, 22, weight=1000, slow_start=SlowStart(duration=1000.0)))
        w.verdict("down")
        w.verdict("up", "10.9.0.22")
        await w.settled()
        w.run()
        await w.until(lambda: w.held() == {SERVICE: ["10.9.0.22:80 1000"]}, "one is down")
        since = datetime.now(UTC) - timedelta(seconds=500)
        w.verdict("up", since=since, before="down")
        await w.until(lambda: (d := destination(w)) and d.weight >= 500, "half of it")
        first = destination(w)
        assert first is not None
        assert first.weight < 600
        assert (first.configured, first.ramp) == (1000, first.weight // 10)
        await w.until(lambda: (d := destination(w)) and d.weight > first.weight, "it goes on by itself")
        assert (document := w.document()) is not None
        assert document.cause == "slow start of 10.9.0.21:80"
        await w.kill()
        w.run()
        before = w.kernel.destinations[key()][A].weight
        await w.until(lambda: w.kernel.destinations[key()][A].weight > before, "it goes on after a restart")
        assert w.kernel.destinations[key()][A].weight < 700
        assert all(weight >= 500 for weight in edits(w))
        w.verdict("up", since=datetime.now(UTC) - timedelta(seconds=999), before="down")
        await w.until(lambda: (d := destination(w)) and d.ramp == 100, "it ends at the whole weight")

    tell(story)


def edits(w: World) -> list[int]:
    """Every weight that the real server was given since it came back."""
    words = [
        each.split(" weight ")[1].split()[0]
        for each in w.operations()
        if "10.9.0.21:80" in each and "weight" in each
    ]
    return [int(weight) for weight in words if weight != "1"]


def test_a_drain_is_said_goes_over_a_restart_and_ends(tell: Tell) -> None:
    async def story(w: World) -> None:
        await steady(w)
        w.kernel.connections[key(), A] = Counts(2, 1)
        w.configure(*pool(22))
        await w.until(lambda: (d := destination(w)) and d.reason == "draining", "the drain is said")
        assert (drained := destination(w)) is not None
        assert (drained.weight, drained.configured) == (0, None)
        assert drained.until is not None
        assert 200 < (drained.until - datetime.now(UTC)).total_seconds() <= 300
        assert told(await said(w, 1)) == [("drain-begun", 3)]
        await w.kill()
        w.kernel.batches.clear()
        w.run()
        counted = w.kernel.counted
        await w.until(lambda: w.kernel.counted > counted + 1, "it counts again, about once a second")
        assert w.operations() == []
        assert (again := destination(w)) is not None
        assert again.until == drained.until
        w.kernel.connections.clear()
        await w.until(lambda: w.held() == ONE, "it goes when its last connection has ended")
        await w.until(lambda: (d := w.document()) and len(d.destinations) == 1, "and that is said")
        assert (document := w.document()) is not None
        assert document.cause == "10.9.0.21:80 has drained"
        assert told(await said(w, 2)) == [("drain-begun", 3), ("drain-ended", "empty")]
        counted = w.kernel.counted
        w.verdict("down", "10.9.0.22")
        await w.until(lambda: w.held() == {SERVICE: []}, "it goes on")
        assert w.kernel.counted == counted

    tell(story)


def test_a_drain_that_is_cancelled(tell: Tell) -> None:
    async def story(w: World) -> None:
        await steady(w)
        w.kernel.connections[key(), A] = Counts(1, 0)
        w.configure(*pool(22))
        await said(w, 1)
        w.configure(*pool(21, 22))
        await w.until(lambda: w.held() == BOTH, "it is taken in again")
        assert told(await said(w, 2)) == [("drain-begun", 1), ("drain-ended", "cancelled")]
        assert "delete" not in str(w.operations())

    tell(story)


def test_a_virtual_server_drains_and_its_document_goes_with_it(tell: Tell) -> None:
    async def story(w: World) -> None:
        await steady(w)
        w.kernel.connections[key(), A] = Counts(1, 0)
        w.configure(instance())
        await w.until(lambda: w.held() == {SERVICE: ["10.9.0.21:80 0"]}, "the idle one goes")
        await w.until(lambda: (d := w.document()) and len(d.destinations) == 1, "the other is still said")
        # what drains is ours: whoever changes it is told
        w.kernel.destinations[key()].clear()
        await w.until(lambda: w.held() == {SERVICE: ["10.9.0.21:80 0"]}, "it is put back")
        await w.kill()
        w.run()
        await w.until(lambda: (d := w.document()) and d.revision == 2, "it runs again")
        assert w.held() == {SERVICE: ["10.9.0.21:80 0"]}
        w.kernel.connections.clear()
        await w.until(lambda: w.held() == {}, "the service goes with its last connection")
        await w.until(lambda: w.document() is None, "its document too")
        await w.until(
            lambda: (w.state_dir / "ipvs-programmer.owned.json").read_bytes() == b"[]", "nothing is ours"
        )

    tell(story)


def test_a_role_that_is_lost_takes_what_drains_with_it(tell: Tell) -> None:
    async def story(w: World) -> None:
        await steady(w)
        w.kernel.connections[key(), A] = Counts(1, 0)
        w.configure(instance())
        await w.until(lambda: w.held() == {SERVICE: ["10.9.0.21:80 0"]}, "it drains")
        w.role("backup", 2)
        w.addresses.set()
        await w.until(lambda: w.held() == {}, "nothing stands on a standby")
        w.role("active", 3)
        await w.until(lambda: w.held() == {SERVICE: ["10.9.0.21:80 0"]}, "it goes on where the role is back")

    tell(story)


def test_marks_of_both_families(tell: Tell) -> None:
    async def story(w: World) -> None:
        four = virtual_server("", 0, mark=7, instance=None, one_packet=True)
        six = virtual_server("", 0, mark=7, family=6, instance=None, scheduler_flags=("flag-1",))
        w.configure(instance(), four, six, real_server("10.9.0.21", of=four), real_server("fd00::21", of=six))
        await w.settled()
        w.run()
        table = {"FWM 7": ["10.9.0.21:80 1"], "FWM 7 IPv6": ["[fd00::21]:80 1"]}
        await w.until(lambda: w.held() == table, "both stand")
        await w.until(lambda: w.document(four) and w.document(six), "both are said")
        assert (a := w.document(four)) is not None
        assert (b := w.document(six)) is not None
        assert (a.mark, a.family, a.one_packet, a.words) == (7, 4, True, "FWM 7")
        assert (b.mark, b.family, b.scheduler_flags, b.words) == (7, 6, ("flag-1",), "FWM 7 IPv6")
        await w.kill()
        w.configure(instance())
        await w.settled()
        w.run()
        await w.until(lambda: w.held() == {}, "what left while we were dead is still known to be ours")

    tell(story)


def test_a_virtual_server_says_itself_what_a_standby_holds(tell: Tell) -> None:
    async def story(w: World) -> None:
        warm = virtual_server(standby="warm")
        clear = virtual_server(port=81, standby="clear")
        w.configure(instance(), warm, clear)
        await w.settled()
        w.run()
        await w.until(lambda: w.held() == {SERVICE: []}, "only the warm one stands")

    tell(story)
