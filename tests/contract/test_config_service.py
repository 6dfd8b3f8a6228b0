"""config-service as a process against a real nats-server: what stands in the bucket, whatever happens."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tests.support.nats import NatsServer
from tests.support.waiting import eventually_async
from vipbus.bus import Bus, BusAddress, BusAwayError, Follow, RefusedError, conditions, records
from vipbus.contracts import (
    CONFIG,
    Condition,
    ConfigAccepted,
    ConfigDocument,
    ConfigRefused,
    Event,
    Head,
    Pool,
    ReloadConfig,
    ReloadResult,
    revision_digest,
)
from vipbus.runtime import secrets
from vipbus.runtime.revision import Revisions
from vipbus.telemetry import trace

GOOD = """\
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    virtual_ipaddress { 10.9.0.100 }
}
virtual_server 10.9.0.100 80 {
    delay_loop 1
    protocol TCP
    real_server 10.9.1.21 80 {
        weight 1
        TCP_CHECK { connect_timeout 1 }
    }
    real_server 10.9.1.22 80 {
        weight 1
    }
}
"""
CHANGED = GOOD.replace("weight 1\n        TCP_CHECK", "weight 5\n        TCP_CHECK")
FIRST = "r1.pool.10-9-0-100_80_tcp.0"
"""The pool of the virtual server, whose first real server the tests change."""


class Service:
    """One config-service over a file of the test's own, and a bus beside it."""

    def __init__(self, server: NatsServer, directory: Path) -> None:
        self.server = server
        self.url = server.url
        """Where the service finds it."""
        self.options: tuple[str, ...] = ()
        self.file = directory / "lb.conf"
        self.file.write_text(GOOD)
        self.log = directory / "stderr"
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self.bus = Bus(BusAddress(url=server.url), source="test")
        self.all: Follow[ConfigDocument]

    def start(self, *files: str) -> None:
        options = [part for file in files or [f"r1={self.file}"] for part in ("--file", file)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "config_service", "--bus", self.url),
                    *("--state-dir", str(self._directory), *options, *self.options),
                ],
                stderr=log,
            )

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def serves(self) -> bool:
        """Whether it has got so far that it would hear SIGHUP."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return bool(int(status.split("SigCgt:")[1].split()[0], 16) & 1 << signal.SIGHUP - 1)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        """Wait for its end; give its exit status."""
        assert self._process is not None
        status = self._process.wait(10)
        self._process = None
        return status

    @property
    def runs(self) -> bool:
        return self._process is not None

    def kill_if_running(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def head(self, router: str = "r1") -> Head | None:
        entry = self.all.entries.get(f"{router}.head") if self.all.live else None
        return entry.value if entry is not None and isinstance(entry.value, Head) else None

    def revision(self, router: str = "r1") -> int:
        head = self.head(router)
        return head.revision if head is not None else 0

    async def reaches(self, revision: int, router: str = "r1") -> Head:
        """Wait for a revision; it must be whole when its head comes."""
        await eventually_async(lambda: self.revision(router) >= revision, f"revision {revision} of {router}")
        assert name_of(self.whole()) >= {router}
        head = self.head(router)
        assert head is not None
        assert head.revision == revision
        return head

    def whole(self) -> Revisions:
        revisions = Revisions()
        revisions.update(self.all.entries)
        return revisions

    def revisions(self) -> dict[str, int]:
        """Give each key's revision in the bucket, heads included."""
        return {key: entry.revision for key, entry in self.all.entries.items()}

    def weight(self) -> int:
        pool = self.all.entries[FIRST].value
        assert isinstance(pool, Pool)
        return pool.real_servers[0].weight

    async def events(self, kind: type[Event]) -> list[Event]:
        """Read every event of a kind that the history holds."""
        pattern = f"vipbus.event.{kind.aggregate}.*.{kind.verb}"
        return [
            msgspec.json.decode(record.body, type=kind)
            async for record in records(self.bus, pattern, follow=False)
        ]

    async def event(self, kind: type[Event], count: int) -> Event:
        """Wait until there are so many events of a kind; give the last."""
        for _ in range(200):
            found = await self.events(kind)
            if len(found) >= count:
                assert len(found) == count
                return found[-1]
            await asyncio.sleep(0.02)
        raise AssertionError(f"{count} events {kind.__name__}; there are {found}; {self.log.read_text()}")

    async def condition(self, holds: Callable[[Condition], bool], what: str) -> Condition:
        """Wait until the service's own report is as said."""
        found: list[Condition] = []
        for _ in range(100):
            found = await conditions(self.bus, quiet=0.1)
            if len(found) == 1 and holds(found[0]):
                return found[0]
        raise AssertionError(f"{what}; there is {found}")

    async def reload(self, router: str | None = None) -> ReloadResult:
        body = msgspec.json.encode(ReloadConfig(router=router))
        for _ in range(100):
            try:
                answer = await self.bus.request("vipbus.cmd.config-service.reload", body, timeout=10)
            except BusAwayError as error:
                if "nobody serves" not in str(error):
                    raise
                await asyncio.sleep(0.05)  # its first revision may be there a moment before
            else:
                return msgspec.json.decode(answer, type=ReloadResult)
        raise AssertionError("the service does not serve")

    async def write(self, key: str, body: bytes | None) -> None:
        """Write a key as another program would."""
        last, _ = await self.bus.revision(CONFIG, key)
        await self.bus.write(CONFIG, key, body, last=last, trace=trace.record("test"))


def name_of(revisions: Revisions) -> set[str]:
    return {revision.router for revision in revisions.routers.values()}


@pytest.fixture
def service(nats_server: NatsServer, tmp_path: Path) -> Iterator[Callable[[Story], None]]:
    """Give what runs a story with a service that is not started yet."""
    made: list[Service] = []

    def run(story: Story) -> None:
        async def whole() -> None:
            one = Service(nats_server, tmp_path)
            made.append(one)
            one.bus.start()
            await one.bus.usable(30)
            one.all = one.bus.follow(CONFIG)
            await eventually_async(lambda: one.all.live, "the bucket is followed")
            await story(one)
            await one.bus.close()

        asyncio.run(asyncio.wait_for(whole(), 60))

    yield run
    for one in made:
        one.kill_if_running()


Story = Callable[[Service], Awaitable[None]]
Run = Callable[[Story], None]


def test_the_first_revision_is_whole_and_said(service: Run) -> None:
    async def story(one: Service) -> None:
        one.start()
        head = await one.reaches(1)
        bodies = {key: entry.body for key, entry in one.all.entries.items() if key != "r1.head"}
        assert (head.entities, head.digest) == (5, revision_digest(bodies))
        assert (head.source, head.cause) == (str(one.file), "start")
        assert one.whole().routers["r1"].instances[0].name == "VI_1"
        # the head's write comes last, and all of a revision is one trace
        assert max(one.revisions(), key=one.revisions().__getitem__) == "r1.head"
        assert len({entry.trace for entry in one.all.entries.values()}) == 1
        said = await one.event(ConfigAccepted, 1)
        assert said.by.startswith("config-service@")
        assert said == ConfigAccepted(
            router="r1", revision=1, source=str(one.file), added=5, changed=0, removed=0, by=said.by
        )
        condition = await one.condition(lambda found: found.ready, "it is ready")
        assert condition.revisions == (("r1", 1),)
        assert one.end() == 0

    service(story)


def test_a_hangup_writes_what_changed_and_nothing_else(service: Run) -> None:
    async def story(one: Service) -> None:
        one.start()
        await one.reaches(1)
        before = one.revisions()
        one.file.write_text(CHANGED)
        one.send(signal.SIGHUP)
        head = await one.reaches(2)
        assert head.cause == "SIGHUP"
        after = one.revisions()
        assert {key for key in after if after[key] != before.get(key)} == {FIRST, "r1.head"}
        assert after[FIRST] + 1 == after["r1.head"] == before["r1.head"] + 2
        assert one.weight() == 5
        accepted = await one.event(ConfigAccepted, 2)
        assert isinstance(accepted, ConfigAccepted)
        assert (accepted.added, accepted.changed, accepted.removed) == (0, 1, 0)

    service(story)


def test_what_a_file_does_not_mean_here_is_told_in_every_place(service: Run) -> None:
    left = (
        f"{{file}}:{GOOD.count(chr(10)) + 2}: enable_dbus in global_defs is left out of vipbus on purpose: "
    )

    async def story(one: Service) -> None:
        one.start()
        await one.reaches(1)
        one.file.write_text(f"{CHANGED}global_defs {{\n    enable_dbus\n}}\n")
        result = await one.reload()
        assert result.accepted
        start = left.replace("{file}", str(one.file))
        accepted = await one.event(ConfigAccepted, 2)
        assert isinstance(accepted, ConfigAccepted)
        found = await one.condition(lambda found: bool(found.advice), "its report has it")
        assert found.ready  # it is no failure
        for said in (result.warnings, accepted.warnings, found.advice):
            (warning,) = said
            assert warning.startswith(start)
        assert start in one.log.read_text()
        one.file.write_text(CHANGED)
        assert (await one.reload()).warnings == ()
        await one.condition(lambda found: not found.advice, "it is gone with its cause")

    service(story)


def test_the_files_of_several_routers_have_each_its_own_conditions(service: Run) -> None:
    async def story(one: Service) -> None:
        shared = GOOD.replace(
            "        weight 1\n        TCP", "        @r1 weight 5\n        @^r1 weight 7\n        TCP"
        )
        one.file.write_text(shared)
        one.start(f"r1={one.file}", f"r2={one.file}")
        for router in ("r1", "r2"):
            await eventually_async(lambda router=router: one.revision(router) == 1, f"{router} has its own")
        weights = {
            (token, each.weight)
            for token, revision in one.whole().routers.items()
            for each in revision.real_servers
            if each.address == "10.9.1.21"
        }
        assert weights == {("r1", 5), ("r2", 7)}

    service(story)


def test_an_unchanged_file_makes_no_revision(service: Run) -> None:
    async def story(one: Service) -> None:
        one.start()
        await one.reaches(1)
        before = one.revisions()
        one.file.write_text("# a comment\n" + GOOD)
        assert await one.reload() == ReloadResult(accepted=True, revisions=(("r1", 1),))
        assert one.end() == 0
        one.start()
        await one.condition(lambda found: found.ready, "the next process is ready")
        assert one.revisions() == before
        assert len(await one.events(ConfigAccepted)) == 1

    service(story)


def test_the_command_reloads_and_answers(service: Run) -> None:
    async def story(one: Service) -> None:
        one.start()
        await one.reaches(1)
        one.file.write_text(CHANGED)
        assert await one.reload("r1") == ReloadResult(accepted=True, revisions=(("r1", 2),))
        assert (await one.reaches(2)).cause == "reload command"
        one.file.write_text(CHANGED.replace("weight 5", "weight many"))
        refused = await one.reload()
        assert (refused.accepted, refused.revisions) == (False, (("r1", 2),))
        assert refused.reason.startswith(f"{one.file}:10:16: weight: 'many' is no whole number")
        with pytest.raises(RefusedError, match="router 'r9' is not served here; there is r1"):
            await one.reload("r9")
        with pytest.raises(RefusedError):
            await one.bus.request("vipbus.cmd.config-service.reload", b"{")

    service(story)


def test_a_server_that_is_removed_and_comes_again(service: Run) -> None:
    async def story(one: Service) -> None:
        one.start()
        await one.reaches(1)
        start = GOOD.index("    real_server 10.9.1.22")
        one.file.write_text(GOOD[:start] + "}\n")
        await one.reload()
        assert (await one.reaches(2)).entities == 4
        assert [each.address for each in one.whole().routers["r1"].real_servers] == ["10.9.1.21"]
        one.file.write_text(GOOD)
        await one.reload()
        assert (await one.reaches(3)).entities == 5

    service(story)


def with_password(password: str) -> str:
    block = f"authentication {{ auth_type PASS\n        auth_pass {password} }}\n    "
    return GOOD.replace("virtual_ipaddress", block + "virtual_ipaddress")


def test_a_password_stands_in_the_state_directory_and_nowhere_else(service: Run, tmp_path: Path) -> None:
    async def story(one: Service) -> None:
        def reference() -> str:
            found = one.whole().routers["r1"].instances[0].auth_pass
            # whoever hears of a reference can resolve it
            assert found is not None
            assert found in secrets.load(tmp_path)
            return found

        one.file.write_text(with_password("geheim-1"))
        one.start()
        await one.reaches(1)
        first = reference()
        assert secrets.load(tmp_path)[first] == "geheim-1"
        one.file.write_text(with_password("geheim-2"))
        await one.reload()
        await one.reaches(2)
        assert reference() != first
        # who still has the revision before it may start again
        assert dict(secrets.load(tmp_path)) == {first: "geheim-1", reference(): "geheim-2"}
        assert one.end() == 0
        one.start()
        await one.condition(lambda found: found.ready, "the next process is ready")
        assert one.revision() == 2
        bodies = [record.body async for record in records(one.bus, ">", follow=False)]
        assert any(first.encode() in body for body in bodies)
        assert not any(b"geheim" in body for body in bodies)
        assert "geheim" not in one.log.read_text()

    service(story)


def test_a_password_that_cannot_be_kept_is_refused(service: Run, tmp_path: Path) -> None:
    async def story(one: Service) -> None:
        one.start()
        await one.reaches(1)
        (tmp_path / "secrets.json").mkdir()
        one.file.write_text(with_password("geheim-1"))
        answer = await one.reload()
        assert not answer.accepted
        assert f"passwords cannot be kept in {tmp_path}" in answer.reason
        (tmp_path / "secrets.json").rmdir()
        assert (await one.reload()).accepted
        await one.reaches(2)

    service(story)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            GOOD.replace("weight 1", "wieght 1", 1).encode(),
            ":10:9: unknown keyword 'wieght' in real_server; did",
        ),
        (
            GOOD[: len(GOOD) // 2].encode(),
            ":6:1: the block of 'virtual_server 10.9.0.100 80' is never closed",
        ),
        (bytes(range(256)) * 16, ":2: byte 0x80 is not UTF-8"),
        (b"", ":1: the file is empty"),
    ],
    ids=["wrong", "truncated", "noise", "empty"],
)
def test_a_refused_file_leaves_the_revision(service: Run, body: bytes, reason: str) -> None:
    async def story(one: Service) -> None:
        one.start()
        await one.reaches(1)
        before = one.revisions()
        one.file.write_bytes(body)
        one.send(signal.SIGHUP)
        refused = await one.event(ConfigRefused, 1)
        assert isinstance(refused, ConfigRefused)
        assert (refused.router, refused.source, refused.running_revision) == ("r1", str(one.file), 1)
        assert refused.reason.startswith(f"{one.file}{reason}")
        condition = await one.condition(lambda found: not found.ready, "it says so")
        assert condition.problems == (refused.reason,)
        assert one.revisions() == before
        one.file.write_text(CHANGED)
        one.send(signal.SIGHUP)
        await one.reaches(2)
        await one.condition(lambda found: found.ready, "a good file makes it ready again")

    service(story)


def test_a_bad_file_at_the_start_leaves_what_the_bus_holds(service: Run) -> None:
    async def story(one: Service) -> None:
        one.file.write_text("vrrp_instance VI_1 {\n")
        one.start()
        refused = await one.event(ConfigRefused, 1)
        assert isinstance(refused, ConfigRefused)
        assert refused.running_revision == 0
        found = await one.condition(lambda found: not found.ready, "it lives and is not ready")
        assert "still waiting for a configuration" in found.problems
        one.file.write_text(GOOD)
        one.send(signal.SIGHUP)
        await one.reaches(1)
        one.end(signal.SIGKILL)
        before = one.revisions()
        one.file.unlink()
        one.start()
        refused = await one.event(ConfigRefused, 2)
        assert isinstance(refused, ConfigRefused)
        assert refused.running_revision == 1
        assert refused.reason == f"{one.file}:1: there is no such file; check the path"
        found = await one.condition(lambda found: bool(found.revisions), "it knows what runs")
        assert found.problems == (refused.reason,)
        assert one.revisions() == before

    service(story)


def test_a_write_that_was_cut_off_is_completed(service: Run) -> None:
    async def story(one: Service) -> None:
        one.start()
        await one.reaches(1)
        one.end(signal.SIGKILL)
        # as if the process had died after the entity and before the head
        body = one.all.entries[FIRST].body
        assert b'"port":80,"checks"' in body
        await one.write(FIRST, body.replace(b'"port":80,"checks"', b'"port":80,"weight":5,"checks"'))
        await eventually_async(lambda: one.weight() == 5, "half of the next revision")
        assert not one.whole().routers
        one.file.write_text(CHANGED)
        one.start()
        await one.reaches(2)
        accepted = await one.event(ConfigAccepted, 2)
        assert isinstance(accepted, ConfigAccepted)
        assert accepted.revision == 2

    service(story)


def test_a_write_that_was_cut_off_and_is_no_longer_wanted_is_undone(service: Run) -> None:
    async def story(one: Service) -> None:
        one.start()
        await one.reaches(1)
        one.end(signal.SIGKILL)
        body = one.all.entries[FIRST].body
        assert b'"port":80,"checks"' in body
        await one.write(FIRST, body.replace(b'"port":80,"checks"', b'"port":80,"weight":5,"checks"'))
        one.start()
        await eventually_async(lambda: one.all.live and one.weight() == 1, "the entity is as the head says")
        await one.reaches(1)

    service(story)


@pytest.mark.parametrize("key", [FIRST, "r1.head", "r1.pool.x.0", "r1.real-server.x.y"])
@pytest.mark.parametrize("body", [b"{", b"\xff\x00", None])
def test_what_someone_else_writes_is_put_back(service: Run, key: str, body: bytes | None) -> None:
    async def story(one: Service) -> None:
        one.start()
        await one.reaches(1)
        wanted = {name: entry.body for name, entry in one.all.entries.items() if name != "r1.head"}
        await one.condition(lambda found: found.ready, "it has settled")
        await one.write(key, body)

        async def stands() -> bool:
            found = {name: (await one.bus.revision(CONFIG, name))[1] for name in {*wanted, key}}
            found.pop("r1.head", None)
            return {name: text for name, text in found.items() if text is not None} == wanted

        for _ in range(300):
            if await stands() and not one.all.malformed and "r1" in one.whole().routers:
                break
            await asyncio.sleep(0.02)
        assert await stands()
        assert one.whole().routers["r1"].head.entities == 5

    service(story)


def test_the_bus_is_killed_and_comes_back(service: Run) -> None:
    async def story(one: Service) -> None:
        one.start()
        await one.reaches(1)
        one.server.kill()
        await eventually_async(lambda: not one.bus.connected, "the loss is noticed")
        one.file.write_text(CHANGED)
        one.send(signal.SIGHUP)
        one.server.start()
        await one.reaches(2)
        assert one.weight() == 5
        accepted = await one.event(ConfigAccepted, 2)
        assert isinstance(accepted, ConfigAccepted)
        assert accepted.changed == 1

    service(story)


def test_it_starts_before_the_bus(service: Run) -> None:
    async def story(one: Service) -> None:
        one.server.kill()
        await eventually_async(lambda: not one.bus.connected, "the bus is away")
        one.start()
        await eventually_async(one.serves, "it has started")
        one.server.start()
        await one.reaches(1)

    service(story)


def test_one_process_serves_several_routers(service: Run) -> None:
    async def story(one: Service) -> None:
        other = one.file.with_name("other.conf")
        other.write_text("global_defs {\n    router_id ignored\n}\n" + GOOD)
        named = one.file.with_name("named.conf")
        named.write_text("global_defs {\n    router_id R3\n}\n" + GOOD)
        one.start(f"r1={one.file}", f"r2={other}", str(named))
        for router in ("r1", "r2", "r3"):
            await eventually_async(lambda router=router: one.revision(router) == 1, f"{router} has its own")
        assert name_of(one.whole()) == {"r1", "r2", "R3"}
        other.write_text("noise\n")
        one.file.write_text(CHANGED)
        result = await one.reload()
        assert (result.accepted, result.revisions) == (False, (("r1", 2), ("r2", 1), ("R3", 1)))
        assert result.reason.startswith(f"{other}:1:1: unknown keyword 'noise'")
        named.write_text("global_defs {\n    router_id R4\n}\n" + GOOD)
        result = await one.reload("R3")
        assert result.reason.startswith(f"{named}:1: router_id is R4 now and was R3; restart")
        # each router has a subject of its own, the one that its file named included
        answer = await one.bus.request("vipbus.cmd.config-service.reload.r3", b"", timeout=10)
        told = msgspec.json.decode(answer, type=ReloadResult)
        assert (told.accepted, told.revisions) == (False, (("R3", 1),))
        with pytest.raises(BusAwayError, match=r"nobody serves vipbus\.cmd\.config-service\.reload\.r4"):
            await one.bus.request("vipbus.cmd.config-service.reload.r4", b"")

    service(story)


def test_one_router_has_one_file(service: Run) -> None:
    async def story(one: Service) -> None:
        one.start(f"r1={one.file}", f"R1={one.file}")
        assert await asyncio.to_thread(one.ended) == 2
        assert "router r1 is given two files; give each router one --file" in one.log.read_text()

    service(story)


def large(servers: int) -> str:
    """Write a configuration of twice as many entities, an instance and the settings."""
    blocks = (
        f"virtual_server 10.9.{number // 250}.{number % 250 + 1} 80 {{\n    protocol TCP\n"
        f"    real_server 10.8.0.1 80 {{\n    }}\n}}\n"
        for number in range(servers)
    )
    return GOOD[: GOOD.index("virtual_server")] + "".join(blocks)


@pytest.mark.parametrize("killed", ["bus", "service"])
def test_a_kill_in_the_middle_of_a_write(service: Run, killed: str) -> None:
    async def story(one: Service) -> None:
        one.file.write_text(large(2000))
        one.start()
        await eventually_async(lambda: len(one.all.entries) > 100, "some of the first revision")
        if killed == "bus":
            one.server.kill()
            await eventually_async(lambda: not one.bus.connected, "the loss is noticed")
            one.server.start()
        else:
            one.end(signal.SIGKILL)
            assert one.head() is None
            one.start()
        assert (await one.reaches(1)).entities == 4002
        accepted = await one.event(ConfigAccepted, 1)
        assert isinstance(accepted, ConfigAccepted)
        assert accepted.revision == 1

    service(story)
