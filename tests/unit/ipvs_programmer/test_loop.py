"""The whole programmer on a real bus, with a kernel and addresses of the test's own."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from ipvs_programmer import loop
from ipvs_programmer.kernel import NoIpvsError, NotPermittedError, UnsureError
from ipvs_programmer.plan import AddService, DeleteDestination
from ipvs_programmer.table import DestinationKey
from tests.unit.ipvs_programmer.tables import destination, key, pool, service, table
from tests.unit.ipvs_programmer.world import USUAL, Story, World, instance, real_server, virtual_server
from vipbus.bus import records
from vipbus.runtime.life import FatalError
from vipbus.telemetry import trace
from vipbus.telemetry.otlp import OtelExporter

SAID = "virtual-server.10-9-0-1_80_tcp"
SERVICE = "TCP 10.9.0.1:80"
BOTH = {SERVICE: ["10.9.0.21:80 1", "10.9.0.22:80 1"]}
ONE = {SERVICE: ["10.9.0.22:80 1"]}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_RETRY", 0.3)


async def steady(w: World, **options: Any) -> None:
    """An active router with both real servers in the table, said on the bus."""
    w.addresses.set("10.9.0.1")
    w.configure()
    w.role("active", 1)
    await w.settled()
    w.run(**options)
    await w.until(lambda: w.held() == BOTH, "the table is filled")
    await w.until(lambda: (d := w.document()) and len(d.destinations) == 2, "the table is said")
    await w.until(lambda: (a := w.armed()) and a.armed and a.epoch == 1, "the instance is armed")


def test_a_down_verdict_takes_a_real_server_out_and_up_brings_it_back(tell: Callable[[Story], None]) -> None:
    async def story(w: World) -> None:
        await steady(w)
        cause = w.verdict("down", cause="connection refused")
        await w.until(lambda: w.held() == ONE, "the dead one leaves")
        assert w.operations()[-1] == "delete destination 10.9.0.21:80 from TCP 10.9.0.1:80"
        await w.until(lambda: (d := w.document()) and len(d.destinations) == 1, "and it is said")
        document = w.document()
        assert document is not None
        assert document.cause == "10.9.0.21:80 is down: connection refused"
        assert document.programmed
        assert document.epoch == 1
        written = w.trace_of(SAID)
        assert written is not None
        assert written.trace_id == cause.trace_id
        w.verdict("up")
        await w.until(lambda: w.held() == BOTH, "it is back")

    tell(story)


def test_unknown_is_never_down(tell: Callable[[Story], None]) -> None:
    async def story(w: World) -> None:
        w.verdict("unknown", "10.9.0.21")
        await steady(w)
        w.verdict("down", "10.9.0.22")
        await w.until(lambda: len(w.held()[SERVICE]) == 1, "the dead one leaves")
        w.verdict("unknown", "10.9.0.22")
        await w.until(lambda: w.held() == BOTH, "the unknown one counts as up")

    tell(story)


def test_taking_a_role_arms_the_table_before_the_address_is_there(tell: Callable[[Story], None]) -> None:
    async def story(w: World) -> None:
        w.configure()
        w.role("backup", 4)
        await w.settled()
        w.run()
        await w.until(lambda: (a := w.armed()) and a.epoch == 4, "the standby says that it is not armed")
        assert w.held() == {}
        assert (a := w.armed()) is not None
        assert not a.armed
        assert not a.error
        takeover = w.role("active", 5)
        await w.until(lambda: (a := w.armed()) and a.epoch == 5, "the new epoch is answered")
        assert (a := w.armed()) is not None
        assert a.armed
        assert (a.virtual_servers, a.destinations) == (1, 2)
        assert w.held() == BOTH
        armed = w.trace_of("instance.vi_1")
        assert armed is not None
        assert armed.trace_id == takeover.trace_id
        await w.until(lambda: (d := w.document()) and d.programmed and d.epoch == 5, "the table is said")
        # the agent waits for the instance: it was said before the virtual server
        entries = w.tables.entries
        assert entries["router-a.instance.vi_1"].revision < entries[f"router-a.{SAID}"].revision

    tell(story)


def test_losing_a_role_clears_the_table_after_the_address_has_gone(tell: Callable[[Story], None]) -> None:
    async def story(w: World) -> None:
        await steady(w)
        w.role("backup", 2)
        await w.until(lambda: (a := w.armed()) and a.epoch == 2, "the role is seen")
        assert w.held() == BOTH  # the address is still here, and so is what stands behind it
        w.addresses.set()
        await w.until(lambda: w.held() == {}, "then the table is cleared")
        await w.until(lambda: (d := w.document()) and not d.programmed, "and it is said")
        await w.until(lambda: (a := w.armed()) and not a.armed, "of the instance too")

    tell(story)


def test_a_warm_standby_keeps_its_table(tell: Callable[[Story], None]) -> None:
    async def story(w: World) -> None:
        await steady(w, standby="warm")
        w.role("backup", 2)
        w.addresses.set()
        await w.until(lambda: (a := w.armed()) and a.epoch == 2, "the role is seen")
        assert w.held() == BOTH
        assert (a := w.armed()) is not None
        assert a.armed

    tell(story)


def test_a_virtual_server_without_an_instance_is_always_there(tell: Callable[[Story], None]) -> None:
    async def story(w: World) -> None:
        free = virtual_server("10.9.0.2", instance=None)
        w.configure(*USUAL, free, real_server("10.9.0.21", of=free))
        w.run()
        await w.until(lambda: w.held() == {"TCP 10.9.0.2:80": ["10.9.0.21:80 1"]}, "only that one is there")

    tell(story)


def test_without_the_bus_the_addresses_decide(tell: Callable[[Story], None]) -> None:
    async def story(w: World) -> None:
        await steady(w)
        w.verdict("down")
        await w.until(lambda: w.held() == ONE, "the dead one leaves")
        assert w.life is not None
        w.server.kill()
        await w.until(lambda: w.life and not w.life.bus.connected, "the loss is noticed")
        w.addresses.set()
        await w.until(lambda: w.held() == {}, "the address goes, and the table")
        w.addresses.set("10.9.0.1")
        await w.until(lambda: w.held() == ONE, "the address comes, and the table with the last verdicts")
        w.server.start()
        w.role("active", 7)
        await w.until(lambda: (a := w.armed()) and a.armed and a.epoch == 7, "caught up")

    tell(story)


def test_a_start_without_a_bus_works_from_what_was_saved(tell: Callable[[Story], None]) -> None:
    async def story(w: World) -> None:
        await steady(w)
        w.verdict("down")
        await w.until(lambda: w.held() == ONE, "the dead one leaves")
        await w.until(lambda: len(list(w.state_dir.glob("*.config.json"))) == 1, "the picture is saved")
        await w.until(
            lambda: b"10-9-0-21_80" in (w.state_dir / "ipvs-programmer.health.json").read_bytes(),
            "the verdicts are saved",
        )
        await w.kill()
        w.server.kill()
        w.kernel.services.clear()
        w.kernel.destinations.clear()
        w.run()
        await w.until(lambda: w.held() == ONE, "the table is there again, without the dead one")

    tell(story)


def test_a_killed_programmer_adopts_what_is_there(tell: Callable[[Story], None]) -> None:
    async def story(w: World) -> None:
        await steady(w)
        await w.kill()
        w.kernel.batches.clear()
        w.kernel.apply([DeleteDestination(key(), DestinationKey("10.9.0.22", 80))])
        w.kernel.batches.clear()
        w.run()
        await w.until(lambda: w.held() == BOTH, "what was missing is there")
        assert w.operations() == ["add destination 10.9.0.22:80 to TCP 10.9.0.1:80 weight 1"]

    tell(story)


def test_what_left_the_configuration_while_dead_is_removed_and_foreign_services_stay(
    tell: Callable[[Story], None],
) -> None:
    async def story(w: World) -> None:
        second = virtual_server(port=443)
        w.addresses.set("10.9.0.1")
        w.configure(*USUAL, second)
        w.run()
        await w.until(lambda: set(w.held()) == {SERVICE, "TCP 10.9.0.1:443"}, "both are there")
        await w.until(lambda: w.document(second), "both are said")
        await w.kill()
        w.kernel.apply([AddService(service(key("10.9.0.9")))])
        w.configure()
        await w.settled()
        w.run()
        await w.until(lambda: set(w.held()) == {SERVICE, "TCP 10.9.0.9:80"}, "ours is gone, the other stays")
        await w.until(lambda: w.document(second) is None, "its document is gone too")

    tell(story)


def test_a_configured_service_that_someone_else_made_is_adopted(tell: Callable[[Story], None]) -> None:
    async def story(w: World) -> None:
        made = table(pool(service(scheduler="wlc"), destination(weight=9), destination("10.9.0.99")))
        w.kernel.services = {k: p.service for k, p in made.items()}
        w.kernel.destinations = {k: dict(p.destinations) for k, p in made.items()}
        w.verdict("up")
        w.addresses.set("10.9.0.1")
        w.configure()
        await w.settled()
        w.run()
        await w.until(lambda: w.held() == BOTH, "it is as configured")
        assert w.operations() == [
            "edit service TCP 10.9.0.1:80 scheduler rr",
            "add destination 10.9.0.22:80 to TCP 10.9.0.1:80 weight 1",
            "edit destination 10.9.0.21:80 of TCP 10.9.0.1:80 weight 1 NAT",
            "edit destination 10.9.0.99:80 of TCP 10.9.0.1:80 weight 0 NAT",
            "delete destination 10.9.0.99:80 from TCP 10.9.0.1:80",
        ]

    tell(story)


def test_drift_is_repaired_and_told(tell: Callable[[Story], None]) -> None:
    async def story(w: World) -> None:
        await steady(w, drift_interval=0.05)
        w.kernel.apply(
            [AddService(service(key("10.9.0.9"))), DeleteDestination(key(), DestinationKey("10.9.0.21", 80))]
        )
        await w.until(lambda: w.held()[SERVICE] == BOTH[SERVICE], "it is put back")
        assert "TCP 10.9.0.9:80" in w.held()
        del w.kernel.services[key()], w.kernel.destinations[key()]
        await w.until(lambda: w.held().get(SERVICE) == BOTH[SERVICE], "a removed service too")
        told: list[str] = []

        async def listen() -> None:
            async for record in records(w.bus, "vipbus.event.table.>", follow=True):
                told.append(record.body.decode())  # noqa: PERF401  # it grows while the test waits

        listening = asyncio.ensure_future(listen())
        await w.until(lambda: len(told) == 2, "both are told")
        listening.cancel()
        assert "add destination 10.9.0.21:80 to TCP 10.9.0.1:80 weight 1" in told[0]
        assert "add service TCP 10.9.0.1:80 scheduler rr" in told[1]

    tell(story)


def test_a_standby_removes_what_someone_puts_into_it(tell: Callable[[Story], None]) -> None:
    async def story(w: World) -> None:
        w.configure()
        w.run(drift_interval=0.05)
        await w.until(w.document, "it has looked")
        w.kernel.apply([AddService(service())])
        await w.until(lambda: w.held() == {}, "a configured service is ours")

    tell(story)


def test_a_wrong_belief_is_found_by_the_refusal(tell: Callable[[Story], None]) -> None:
    async def story(w: World) -> None:
        await steady(w, drift_interval=3600.0)
        w.kernel.apply([DeleteDestination(key(), DestinationKey("10.9.0.21", 80))])
        w.verdict("down")
        await w.until(lambda: (d := w.document()) and len(d.destinations) == 1, "ENOENT is no error then")
        assert w.held() == ONE
        del w.kernel.services[key()], w.kernel.destinations[key()]
        w.verdict("up")
        await w.until(lambda: w.held() == BOTH, "ESRCH leads to a service made anew")
        assert w.problems() == ""

    tell(story)


def test_lost_answers_lead_to_a_new_read(tell: Callable[[Story], None]) -> None:
    async def story(w: World) -> None:
        w.kernel.lose_replies_after = 2
        await steady(w)
        assert w.problems() == ""

    tell(story)


def test_a_missing_scheduler_is_named_and_the_rest_goes_on(tell: Callable[[Story], None]) -> None:
    async def story(w: World) -> None:
        w.kernel.schedulers.discard("mh")
        hashed = virtual_server(port=443, scheduler="mh")
        w.addresses.set("10.9.0.1")
        w.configure(*USUAL, hashed, real_server("10.9.0.21", of=hashed))
        w.role("active", 1)
        await w.settled()
        w.run()
        await w.until(lambda: w.held() == BOTH, "the other is there")
        words = "the kernel has no scheduler mh: modprobe ip_vs_mh"
        await w.until(lambda: (d := w.document(hashed)) and d.error == words, "its document says why")
        await w.until(lambda: (a := w.armed()) and a.error == words and not a.armed, "so does the instance's")
        assert w.problems() == words
        w.kernel.schedulers.add("mh")
        await w.until(lambda: "TCP 10.9.0.1:443" in w.held(), "it is tried again")
        await w.until(lambda: (a := w.armed()) and a.armed, "and armed")
        assert w.problems() == ""

    tell(story)


def test_a_refused_destination_is_named(tell: Callable[[Story], None]) -> None:
    async def story(w: World) -> None:
        w.kernel.refuse["add destination 10.9.0.22:80 to TCP 10.9.0.1:80 weight 1"] = errno.EINVAL
        w.addresses.set("10.9.0.1")
        w.configure()
        w.run()
        await w.until(lambda: w.held() == {SERVICE: ["10.9.0.21:80 1"]}, "the other is there")
        await w.until(
            lambda: (
                (d := w.document())
                and d.error == "add destination 10.9.0.22:80 to TCP 10.9.0.1:80 weight 1: Invalid argument"
            ),
            "the document says why",
        )
        await w.until(lambda: w.held() == BOTH, "it is tried again")

    tell(story)


def test_a_kernel_without_ipvs_is_told_and_answered_for(tell: Callable[[Story], None]) -> None:
    async def story(w: World) -> None:
        w.kernel.broken = NoIpvsError()
        w.configure()
        w.role("backup", 1)
        await w.settled()
        w.run()
        words = "this kernel has no IPVS"
        await w.until(lambda: (a := w.armed()) and words in a.error, "the instance says so")
        assert words in w.problems()
        w.role("active", 2)
        took = await w.until(lambda: (a := w.armed()) and a.epoch == 2 and words in a.error, "at every role")
        assert took < 2
        await w.until(lambda: (d := w.document()) and words in d.error and not d.programmed, "and the table")
        w.kernel.broken = None
        await w.until(lambda: w.held() == BOTH, "the module was loaded")
        await w.until(lambda: (a := w.armed()) and a.armed and not a.error, "armed")
        assert w.problems() == ""

    tell(story)


def test_a_kernel_that_answers_strangely_is_asked_again_soon(tell: Callable[[Story], None]) -> None:
    async def story(w: World) -> None:
        await steady(w)
        w.kernel.broken = UnsureError("the IPVS table: the kernel did not answer")
        w.verdict("down")
        await w.until(lambda: "did not answer" in w.problems(), "the problem is told")
        w.kernel.broken = None
        took = await w.until(lambda: w.held() == ONE, "the verdict is carried out")
        assert took < 2

    tell(story)


def test_a_missing_privilege_ends_it_with_a_line(tell: Callable[[Story], None]) -> None:
    async def story(w: World) -> None:
        w.kernel.broken = NotPermittedError()
        w.configure()
        w.run()
        with pytest.raises(FatalError, match="CAP_NET_ADMIN"):
            await w.until(lambda: False, "it ends")

    tell(story)


def test_nothing_is_written_before_a_whole_revision_is_known(tell: Callable[[Story], None]) -> None:
    async def story(w: World) -> None:
        w.addresses.set("10.9.0.1")
        w.run(drift_interval=0.05)
        await w.until(lambda: w.life and w.life.bus.connected, "connected")
        assert "still waiting for a configuration" in w.problems()
        assert w.kernel.batches == []
        assert w.kernel.reads == 0
        w.configure()
        await w.until(lambda: w.held() == BOTH, "then it is")
        assert w.problems() == ""

    tell(story)


def test_a_start_without_verdicts_leaves_the_weights_that_are_there(tell: Callable[[Story], None]) -> None:
    async def story(w: World) -> None:
        await steady(w)
        await w.until((w.state_dir / "ipvs-programmer.config.json").exists, "the revision is saved")
        await w.kill()
        w.server.kill()
        (w.state_dir / "ipvs-programmer.health.json").unlink(missing_ok=True)
        drained = destination("10.9.0.21", weight=0)
        w.kernel.destinations[key()][drained.key] = drained
        del w.kernel.destinations[key()][DestinationKey("10.9.0.22", 80)]
        w.run()
        await w.until(lambda: len(w.held()[SERVICE]) == 2, "what is missing is added")
        assert w.held() == {SERVICE: ["10.9.0.21:80 0", "10.9.0.22:80 1"]}
        w.server.start()
        await w.until(
            lambda: w.held() == BOTH, "once the verdicts are known the weight is the configured one"
        )

    tell(story)


def test_a_bus_that_lost_its_store_brings_no_dead_server_back(
    tell: Callable[[Story], None],
) -> None:
    async def story(w: World) -> None:
        await steady(w)
        trace = w.verdict("down")
        await w.until(lambda: w.held() == ONE, "the dead one leaves")
        batches = len(w.kernel.batches)
        for bucket_writer in ("health", "config", "role"):
            writer = w._writers[bucket_writer]
            for written in list(writer._said):
                writer.delete(written, trace)
        await w.settled()
        w.addresses.set("10.9.0.1", "10.9.0.200")
        await w.until(lambda: w.life and w.life.bus.connected, "still connected")
        assert w.held() == ONE
        assert len(w.kernel.batches) == batches

    tell(story)


@pytest.mark.parametrize(
    ("on_stop", "left"), [("remove", ["TCP 10.9.0.9:80"]), ("keep", [SERVICE, "TCP 10.9.0.9:80"])]
)
def test_a_stop_removes_only_what_is_ours(
    tell: Callable[[Story], None], on_stop: str, left: list[str]
) -> None:
    async def story(w: World) -> None:
        await steady(w, on_stop=on_stop)
        w.kernel.apply([AddService(service(key("10.9.0.9")))])
        w.addresses.set()
        w.role("active", 1)
        await w.stop()
        assert sorted(w.held()) == left
        if on_stop == "remove":
            await w.until(lambda: (d := w.document()) and not d.programmed, "it is said")
            assert (d := w.document()) is not None
            assert d.cause == "ipvs-programmer was stopped"

    tell(story)


def test_a_stop_waits_for_the_addresses_to_leave_first(tell: Callable[[Story], None]) -> None:
    async def story(w: World) -> None:
        await steady(w)
        assert w.life is not None
        stopping = asyncio.ensure_future(w.stop())
        await asyncio.sleep(0.3)
        assert w.held() == BOTH
        w.addresses.set()
        await stopping
        assert w.held() == {}

    tell(story)


def test_a_new_revision_changes_what_differs_and_nothing_else(tell: Callable[[Story], None]) -> None:
    async def story(w: World) -> None:
        await steady(w)
        w.kernel.batches.clear()
        w.configure(
            instance(),
            virtual_server(persistence_timeout=50),
            real_server("10.9.0.21", weight=3),
            real_server("10.9.0.23"),
        )
        await w.until(lambda: w.held() == {SERVICE: ["10.9.0.21:80 3", "10.9.0.23:80 1"]}, "it is applied")
        assert w.operations() == [
            "edit service TCP 10.9.0.1:80 scheduler rr persistent 50",
            "add destination 10.9.0.23:80 to TCP 10.9.0.1:80 weight 1",
            "edit destination 10.9.0.21:80 of TCP 10.9.0.1:80 weight 3 NAT",
            "edit destination 10.9.0.22:80 of TCP 10.9.0.1:80 weight 0 NAT",
            "delete destination 10.9.0.22:80 from TCP 10.9.0.1:80",
        ]
        await w.until(lambda: (d := w.document()) and d.revision == 2, "the revision is said")

    tell(story)


async def written(w: World) -> int:
    """How often the virtual server's document was written so far."""
    stream = await w.bus.client().jetstream().stream_info("KV_table", subjects_filter=f"$KV.table.*.{SAID}")
    assert stream.state.subjects is not None
    return sum(stream.state.subjects.values())


def test_a_table_that_holds_the_same_is_as_old_as_it_was(tell: Callable[[Story], None]) -> None:
    async def story(w: World) -> None:
        await steady(w)
        assert (before := w.document()) is not None
        w.configure()
        w.role("active", 2)
        await w.until(lambda: (d := w.document()) and (d.revision, d.epoch) == (2, 2), "it is said")
        assert (after := w.document()) is not None
        assert (after.since, after.cause) == (before.since, before.cause)

    tell(story)


@pytest.mark.parametrize("absent", [False, True], ids=["with IPVS", "without IPVS"])
def test_a_programmer_that_starts_again_has_no_news(tell: Callable[[Story], None], absent: bool) -> None:
    async def story(w: World) -> None:
        if absent:
            w.kernel.broken = NoIpvsError()
            w.configure()
            w.run()
            await w.until(lambda: (d := w.document()) and d.error, "it is said")
        else:
            await steady(w)
        assert (before := w.document()) is not None
        count = await written(w)
        await w.kill()
        w.run()
        await w.until(lambda: "waiting" not in w.problems(), "it has looked at the kernel")
        # documents are written in turn: this one comes after whatever else there was to say
        w.configure()
        await w.until(lambda: (d := w.document()) and d.revision == 2, "the next revision is said")
        assert (after := w.document()) is not None
        assert (after.since, after.cause) == (before.since, before.cause)
        assert await written(w) == count + 1

    tell(story)


def test_one_failed_check_is_one_trace(
    tell: Callable[[Story], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(trace, "_exporter", OtelExporter(provider.get_tracer("test")))

    async def story(w: World) -> None:
        await steady(w)
        spans.clear()
        cause = w.verdict("down")
        await w.until(lambda: (d := w.document()) and len(d.destinations) == 1, "it is carried out")
        found = {
            each.name: each
            for each in spans.get_finished_spans()
            if each.context is not None and f"{each.context.trace_id:032x}" == cause.trace_id
        }
        process, planned, write = (
            found[name] for name in ("process vipbus.state.health", "plan", "kernel write")
        )
        assert process.kind is SpanKind.CONSUMER
        assert process.attributes is not None
        assert process.attributes["messaging.destination.template"] == "vipbus.state.health"
        assert process.parent is not None
        assert f"{process.parent.span_id:016x}" == cause.span_id
        for child in (planned, write):
            assert child.parent is not None
            assert process.context is not None
            assert child.parent.span_id == process.context.span_id
        written = w.trace_of(SAID)
        assert written is not None
        assert write.context is not None
        assert written.span_id == f"{write.context.span_id:016x}"

    tell(story)


def test_a_kernel_that_stays_away_is_one_loss_however_often_it_is_tried(
    tell: Callable[[Story], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(trace, "_exporter", OtelExporter(provider.get_tracer("test")))
    tries = 0

    async def story(w: World) -> None:
        def absent(_keys: object = None) -> NoReturn:
            nonlocal tries
            tries += 1
            raise NoIpvsError

        monkeypatch.setattr(w.kernel, "read", absent)
        w.configure()
        w.run()
        await w.until(lambda: tries == 2, "it was tried again")
        before = len(spans.get_finished_spans())
        await w.until(lambda: tries == 5, "it was tried more often")
        assert len(spans.get_finished_spans()) == before
        assert "this kernel has no IPVS" in w.problems()

    tell(story)


def test_addresses_alone_need_no_ipvs(tell: Callable[[Story], None]) -> None:
    async def story(w: World) -> None:
        w.kernel.broken = NoIpvsError()
        w.configure(instance())
        w.role("backup", 1)
        await w.settled()
        w.run()
        await w.until(lambda: (a := w.armed()) and a.armed and a.epoch == 1, "the instance is armed")
        await w.until(lambda: w.problems() == "", "it is ready")
        # with a virtual server of another address it is not, and the instance is armed all the same
        other = virtual_server("10.9.0.9", instance=None)
        w.configure(instance(), other, real_server("10.9.0.21", of=other))
        await w.until(lambda: "this kernel has no IPVS" in w.problems(), "it is missed")
        w.role("active", 2)
        await w.until(lambda: (a := w.armed()) and a.armed and a.epoch == 2, "the instance is armed again")

    tell(story)
