"""health-prober as real processes on a real nats-server: what the rest of the system sees of it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from health_prober.check import Decision
from health_prober.engine import Outcome
from health_prober.lease import TTL, Lease
from health_prober.metrics import WRITES_REFUSED
from health_prober.opinions import Opinions
from health_prober.publisher import Publisher
from health_prober.sharing import Electorate
from health_prober.targets import Targets
from health_prober.verdicts import Book
from tests.support.config import publish_config_on
from tests.support.nats import NatsServer
from tests.support.otlp import OtlpReceiver, ReceivedSpan, otlp_receiver
from tests.support.waiting import eventually_async
from tests.unit.health_prober.documents import revision
from vipbus.bus import Bus, BusAddress, conditions
from vipbus.contracts import (
    HEALTH,
    MEMBER,
    OPINION,
    Condition,
    Member,
    RealServer,
    TcpCheck,
    Verdict,
    VerdictName,
)
from vipbus.telemetry import trace

VS = "10-9-0-1_80_tcp"
INTERVAL = 0.5
RETRY_DELAY = 0.1
DOWN_WITHIN = INTERVAL + RETRY_DELAY
"""Seconds until a closed port is down: nothing has to time out."""
SLACK = 1.0
"""Seconds for a machine that is busy with other things."""


class Pool:
    """Real servers on loopback, each at an address of its own on one port, that can be shut one by one."""

    def __init__(self, size: int) -> None:
        self.addresses = [f"127.9.0.{n}" for n in range(1, size + 1)]
        self._listeners: dict[str, socket.socket] = {}
        self.port = self._listen(self.addresses[0], 0)
        for address in self.addresses[1:]:
            self._listen(address, self.port)

    def _listen(self, address: str, port: int) -> int:
        listener = self._listeners[address] = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen()
        bound: int = listener.getsockname()[1]
        return bound

    def shut(self, *addresses: str) -> None:
        for address in addresses:
            self._listeners.pop(address).close()

    def open(self, *addresses: str) -> None:
        for address in addresses:
            self._listen(address, self.port)

    def server(self, address: str, *, checked: bool = True, router: str = "r1") -> RealServer:
        check = TcpCheck(
            address=address,
            port=self.port,
            interval=INTERVAL,
            timeout=1.0,
            delay_before_retry=RETRY_DELAY,
        )
        return RealServer(
            router=router,
            virtual_server=VS,
            address=address,
            port=self.port,
            checks=(check,) if checked else (),
        )

    def servers(self) -> list[RealServer]:
        return [self.server(address) for address in self.addresses]

    def key(self, address: str) -> str:
        return f"{VS}.{self.server(address).id}"


class Stage:
    """A bus, a pool, replicas as processes, and an observer of what they write."""

    def __init__(self, server: NatsServer, state: Path, bus: Bus, pool: Pool) -> None:
        self.server = server
        self.bus = bus
        self.pool = pool
        self.health = bus.follow(HEALTH)
        self.members = bus.follow(MEMBER)
        self.replicas: dict[str, subprocess.Popen[bytes]] = {}
        self._state = state

    def start(self, *names: str, **environment: str) -> None:
        for name in names:
            state = self._state / name
            state.mkdir(exist_ok=True)
            with (self._state / f"{name}.log").open("ab") as output:
                self.replicas[name] = subprocess.Popen(
                    [
                        *(sys.executable, "-m", "health_prober", "--id", name),
                        *("--bus", self.server.url, "--state-dir", str(state)),
                    ],
                    stderr=output,
                    env={**os.environ, **environment},
                )

    def end(self, name: str, number: signal.Signals) -> int:
        process = self.replicas.pop(name)
        process.send_signal(number)
        return process.wait()

    def close(self) -> None:
        for process in self.replicas.values():
            process.kill()
            process.wait()
        self.pool.shut(*list(self.pool._listeners))

    def log_of(self, name: str) -> str:
        return (self._state / f"{name}.log").read_text()

    def verdict(self, address: str) -> VerdictName | None:
        entry = self.health.entries.get(self.pool.key(address))
        return entry.value.verdict if entry else None

    def all_are(self, verdict: VerdictName | None, *addresses: str) -> bool:
        return all(self.verdict(address) == verdict for address in addresses or self.pool.addresses)

    def shared(self, *names: str) -> bool:
        """Say whether exactly these replicas lead everything between them."""
        members = list(self.members.values())
        return {member.prober for member in members} == set(names) and sum(
            member.targets for member in members
        ) == len(self.pool.addresses)

    def revisions(self) -> dict[str, int]:
        return {key: entry.revision for key, entry in self.health.entries.items()}

    async def condition(self) -> Condition:
        found: list[Condition] = []
        while not found:
            found = [c for c in await conditions(self.bus, quiet=0.1) if c.service == "health-prober"]
        return found[0]


def on_stage(server: NatsServer, state: Path, story: Callable[[Stage], Awaitable[None]], size: int) -> None:
    async def play() -> None:
        async with stage(server, state, size) as made:
            await story(made)

    asyncio.run(asyncio.wait_for(play(), 90))


@asynccontextmanager
async def stage(server: NatsServer, state: Path, size: int) -> AsyncIterator[Stage]:
    bus = Bus(BusAddress(url=server.url), source="test")
    bus.start()
    await bus.usable(30)
    made = Stage(server, state, bus, Pool(size))
    try:
        await publish_config_on(bus, made.pool.servers(), "r1")
        yield made
    finally:
        made.close()
        await bus.close()


def test_a_real_server_goes_down_and_comes_back_with_its_cause_and_its_trace(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async def story(stage: Stage) -> None:
        first, second = stage.pool.addresses
        stage.start("p1")
        await eventually_async(lambda: stage.all_are("up"), "the first verdicts")
        key = stage.pool.key(first)
        before = stage.revisions()
        stage.pool.shut(first)
        shut = datetime.now(UTC)
        took = await eventually_async(lambda: stage.verdict(first) == "down", "it is down")
        assert took < DOWN_WITHIN + SLACK
        entry = stage.health.entries[key]
        assert entry.value.cause == "connection refused"
        assert entry.value.prober == "p1"
        assert entry.value.since > shut
        assert entry.trace is not None
        stage.pool.open(first)
        took = await eventually_async(lambda: stage.verdict(first) == "up", "it is up again")
        assert took < INTERVAL + SLACK
        again = stage.health.entries[key]
        assert again.value.cause.startswith("answered in ")
        assert again.trace is not None
        assert again.trace.trace_id != entry.trace.trace_id
        # what does not change is not written
        other = stage.pool.key(second)
        assert stage.revisions()[other] == before[other]
        assert max(stage.revisions().values()) == max(before.values()) + 2
        condition = await stage.condition()
        assert condition.ready, condition.problems
        assert condition.revisions == (("r1", 1),)

    on_stage(nats_server, tmp_path, story, 2)


def test_a_failed_probe_is_one_trace_from_the_first_failed_attempt_to_the_write(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async def story(stage: Stage, receiver: OtlpReceiver) -> None:
        (address,) = stage.pool.addresses
        stage.start(
            "p1",
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
            OTEL_METRICS_EXPORTER="none",
            OTEL_LOGS_EXPORTER="none",
        )
        await eventually_async(lambda: stage.all_are("up"), "it is up")
        stage.pool.shut(address)
        await eventually_async(lambda: stage.verdict(address) == "down", "it is down")
        written = stage.health.entries[stage.pool.key(address)].trace
        assert written is not None

        def spans() -> dict[str, ReceivedSpan]:
            return {span.name: span for span in receiver.spans if span.trace_id == written.trace_id}

        await eventually_async(lambda: len(spans()) == 2, "both spans arrive")
        check = spans()[f"check {address}:{stage.pool.port}"]
        publish = spans()["publish vipbus.state.health"]
        assert check.failed
        assert check.parent_id == ""
        assert check.end_ns - check.start_ns >= RETRY_DELAY * 1e9
        assert publish.parent_id == check.span_id
        assert publish.span_id == written.span_id
        assert publish.service == "health-prober"

    with otlp_receiver() as receiver:
        on_stage(nats_server, tmp_path, lambda stage: story(stage, receiver), 1)


def test_a_killed_replica_is_replaced_within_its_lease_and_nothing_flaps(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async def story(stage: Stage) -> None:
        names = ("p1", "p2", "p3")
        stage.start(*names)
        await eventually_async(lambda: stage.shared(*names), "three replicas share everything")
        assert all(member.targets > 0 for member in stage.members.values())
        await eventually_async(lambda: stage.all_are("up"), "everything is up")
        before = stage.revisions()
        stage.end("p2", signal.SIGKILL)
        took = await eventually_async(lambda: stage.shared("p1", "p3"), "the others lead everything")
        assert took < TTL + TTL / 3 + SLACK
        assert stage.revisions() == before
        stage.pool.shut(*stage.pool.addresses)
        await eventually_async(lambda: stage.all_are("down"), "every target is probed")
        assert {entry.value.prober for entry in stage.health.entries.values()} == {"p1", "p3"}
        assert all(
            revision > before[key] and stage.health.entries[key].value.verdict == "down"
            for key, revision in stage.revisions().items()
        )

    on_stage(nats_server, tmp_path, story, 30)


def test_the_targets_of_a_killed_replica_are_probed_within_its_lease_and_one_interval(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async def story(stage: Stage) -> None:
        stage.start("p1", "p2")
        await eventually_async(lambda: stage.shared("p1", "p2"), "two replicas share everything")
        await eventually_async(lambda: stage.all_are("up"), "everything is up")
        stage.end("p2", signal.SIGKILL)
        stage.pool.shut(*stage.pool.addresses)
        took = await eventually_async(lambda: stage.all_are("down"), "every target is probed again")
        assert took < TTL + DOWN_WITHIN + SLACK
        assert {entry.value.prober for entry in stage.health.entries.values()} == {"p1"}

    on_stage(nats_server, tmp_path, story, 10)


def test_a_lease_that_the_server_did_not_end_is_ended(nats_server: NatsServer, tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        # what a killed server may come back with: a lease of the dead, its time to live forgotten
        ghost = Member(prober="ghost", since=datetime(2026, 1, 1, tzinfo=UTC), targets=9)
        await stage.bus.write(
            MEMBER, ghost.key, msgspec.json.encode(ghost), last=0, trace=trace.record("test")
        )
        stage.start("p1", "p2")
        await eventually_async(lambda: stage.shared("p1", "p2"), "the living share everything", within=20)
        await eventually_async(lambda: stage.all_are("up"), "everything is probed")
        assert "the lease of ghost" in stage.log_of("p1") + stage.log_of("p2")

    on_stage(nats_server, tmp_path, story, 20)


def test_a_replica_that_is_stopped_hands_over_at_once_and_leaves_its_verdicts(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async def story(stage: Stage) -> None:
        stage.start("p1", "p2")
        await eventually_async(lambda: stage.shared("p1", "p2"), "two replicas share everything")
        await eventually_async(lambda: stage.all_are("up"), "everything is up")
        before = stage.revisions()
        assert stage.end("p2", signal.SIGTERM) == 0
        took = await eventually_async(lambda: set(stage.members.entries) == {"p1"}, "the lease is given up")
        assert took < TTL / 2, "its time to live did not end it"
        # the survivor says how much it leads with its next renewal
        took = await eventually_async(lambda: stage.shared("p1"), "the other leads everything")
        assert took < TTL / 3 + SLACK
        assert stage.revisions() == before
        stage.start("p3")
        await eventually_async(lambda: stage.shared("p1", "p3"), "a newcomer takes its share")
        assert stage.revisions() == before

    on_stage(nats_server, tmp_path, story, 12)


def test_a_replica_that_was_frozen_does_not_overrule_its_successor(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async def story(stage: Stage) -> None:
        stage.start("p1", "p2")
        await eventually_async(lambda: stage.shared("p1", "p2"), "two replicas share everything")
        await eventually_async(lambda: stage.all_are("up"), "everything is up")
        stage.replicas["p2"].send_signal(signal.SIGSTOP)
        await eventually_async(lambda: stage.shared("p1"), "its lease ends")
        stage.pool.shut(*stage.pool.addresses)
        await eventually_async(lambda: stage.all_are("down"), "the successor finds everything down")
        before = stage.revisions()
        stage.replicas["p2"].send_signal(signal.SIGCONT)
        await eventually_async(lambda: stage.shared("p1", "p2"), "it takes part again")
        assert stage.revisions() == before
        stage.pool.open(*stage.pool.addresses)
        await eventually_async(lambda: stage.all_are("up"), "both probe")
        assert {entry.value.prober for entry in stage.health.entries.values()} == {"p1", "p2"}

    on_stage(nats_server, tmp_path, story, 10)


def test_while_the_bus_is_away_probing_goes_on_and_the_verdicts_follow(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async def story(stage: Stage) -> None:
        first, second, third = stage.pool.addresses
        stage.start("p1")
        await eventually_async(lambda: stage.all_are("up"), "everything is up")
        stage.pool.shut(second)
        await eventually_async(lambda: stage.verdict(second) == "down", "one is down")
        before = stage.revisions()
        stage.server.kill()
        away = datetime.now(UTC)
        stage.pool.shut(first)
        stage.pool.open(second)
        await asyncio.sleep(DOWN_WITHIN + SLACK)  # the time in which the prober, unseen, must have found out
        stage.server.start()
        back = datetime.now(UTC)
        await eventually_async(
            lambda: stage.verdict(first) == "down" and stage.verdict(second) == "up", "what was found is said"
        )
        for address in (first, second):
            assert away < stage.health.entries[stage.pool.key(address)].value.since < back
        assert stage.revisions()[stage.pool.key(third)] == before[stage.pool.key(third)]
        stage.pool.shut(third)
        await eventually_async(lambda: stage.verdict(third) == "down", "and it goes on as before")

    on_stage(nats_server, tmp_path, story, 3)


def test_a_start_without_a_bus_probes_the_saved_configuration_alone(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async def story(stage: Stage) -> None:
        (address,) = stage.pool.addresses
        stage.start("p1")
        await eventually_async(lambda: stage.all_are("up"), "everything is up")
        stage.end("p1", signal.SIGTERM)
        stage.server.kill()
        stage.pool.shut(address)
        stage.start("p1")
        await eventually_async(lambda: "probing everything alone" in stage.log_of("p1"), "it goes on alone")
        await asyncio.sleep(1.0 + DOWN_WITHIN + SLACK)  # an unknown target's first attempts, unseen
        stage.server.start()
        back = datetime.now(UTC)
        await eventually_async(lambda: stage.verdict(address) == "down", "what was found is said")
        assert stage.health.entries[stage.pool.key(address)].value.since < back

    on_stage(nats_server, tmp_path, story, 1)


def test_a_restart_takes_the_verdicts_over_as_they_stand(nats_server: NatsServer, tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.pool.shut(stage.pool.addresses[0])
        stage.start("p1")
        await eventually_async(
            lambda: len(stage.health.entries) == 4 and stage.verdict(stage.pool.addresses[0]) == "down",
            "the first verdicts",
        )
        before = stage.revisions()
        stage.end("p1", signal.SIGKILL)
        stage.start("p2")
        await eventually_async(lambda: stage.shared("p2"), "a new one leads everything")
        condition = await stage.condition()
        assert condition.ready, condition.problems
        stage.pool.open(stage.pool.addresses[0])
        await eventually_async(lambda: stage.all_are("up"), "it probes")
        changed = {key for key, revision in stage.revisions().items() if revision != before[key]}
        assert changed == {stage.pool.key(stage.pool.addresses[0])}

    on_stage(nats_server, tmp_path, story, 4)


def test_verdicts_of_real_servers_that_are_gone_or_no_longer_checked_go(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async def story(stage: Stage) -> None:
        gone, unchecked, shared, stays = stage.pool.addresses
        await publish_config_on(stage.bus, [stage.pool.server(shared, router="r2")], "r2")
        stage.start("p1", "p2")
        await eventually_async(lambda: stage.all_are("up"), "everything is up")
        await publish_config_on(
            stage.bus, [stage.pool.server(unchecked, checked=False), stage.pool.server(stays)], "r1"
        )
        await eventually_async(lambda: stage.all_are(None, gone, unchecked), "their verdicts are removed")
        assert stage.all_are("up", shared, stays)
        await publish_config_on(stage.bus, stage.pool.servers(), "r1")
        await eventually_async(lambda: stage.all_are("up"), "and come back with them")

    on_stage(nats_server, tmp_path, story, 4)


def test_a_verdict_that_someone_else_wrote_is_put_right(nats_server: NatsServer, tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        (address,) = stage.pool.addresses
        stage.start("p1")
        await eventually_async(lambda: stage.all_are("up"), "it is up")
        key = stage.pool.key(address)
        entry = stage.health.entries[key]
        wrong = msgspec.structs.replace(entry.value, verdict="down", prober="nobody", lease=0)
        await stage.bus.write(
            HEALTH, key, msgspec.json.encode(wrong), last=entry.revision, trace=trace.record("test")
        )
        await eventually_async(
            lambda: stage.verdict(address) == "up" and stage.revisions()[key] > entry.revision + 1,
            "the leader says what it knows",
        )

    on_stage(nats_server, tmp_path, story, 1)


def test_a_name_that_is_taken_is_said_and_waited_for(nats_server: NatsServer, tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        problems: list[str] = []

        def lease_of(name: str) -> Lease:
            return Lease(
                stage.bus, name, targets=lambda: 0, on_renewed=lambda: None, on_problem=problems.append
            )

        first, second = lease_of("p1"), lease_of("p1")
        keeping = [asyncio.ensure_future(first.keep())]
        await eventually_async(lambda: first.held, "the first holds the lease")
        keeping.append(asyncio.ensure_future(second.keep()))
        await eventually_async(lambda: any("--id" in text for text in problems), "the second says why not")
        assert not second.held
        keeping.pop(0).cancel()
        await first.give_up()
        assert not first.held
        await eventually_async(lambda: second.held, "the second follows at once")
        keeping.pop().cancel()
        await eventually_async(lambda: not second.held, "what is not renewed ends, here")
        await eventually_async(lambda: not stage.members.entries, "and there")

    on_stage(nats_server, tmp_path, story, 1)


def test_a_writer_that_has_read_less_of_the_membership_is_refused(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async def story(stage: Stage) -> None:
        (address,) = stage.pool.addresses
        key = stage.pool.key(address)
        book = Book()
        book.take(Targets().of([revision(*stage.pool.servers())]), {})
        stands = Verdict(
            virtual_server=VS,
            real_server=stage.pool.server(address).id,
            verdict="up",
            cause="answered in 0.4 ms",
            since=datetime.now(UTC),
            prober="successor",
            lease=8,
        )
        written = await stage.bus.write(
            HEALTH, key, msgspec.json.encode(stands), last=0, trace=trace.record("test")
        )
        await eventually_async(lambda: key in stage.health.entries, "it is known when the late one looks")
        token = 7
        opinions = Opinions(
            stage.bus,
            stage.bus.follow(OPINION),
            stage.members,
            prober="late",
            in_touch=lambda: True,
            token=lambda: token,
        )
        late = Publisher(
            stage.bus,
            book,
            stage.health,
            prober="late",
            opinions=opinions,
            electorate=lambda _key: Electorate(("late",)),
            may_write=lambda _key: True,
            token=lambda: token,
            wake=lambda: None,
        )
        refused = WRITES_REFUSED.value()
        down = Decision("down", "connection refused", 0.0, 2)
        (check,) = stage.pool.server(address).checks
        late.found(Outcome(check, down, book.order, 1, 2))
        await eventually_async(lambda: WRITES_REFUSED.value() > refused, "the late write is refused")
        assert stage.revisions()[key] == written
        # it leads again, by a membership that it has read: now its word counts
        token = 9
        late.audit(lambda: None)
        await eventually_async(lambda: stage.verdict(address) == "down", "it is written")
        await late.close()
        await opinions.close()

    on_stage(nats_server, tmp_path, story, 1)
