"""``vipbus drain``, ``disable``, ``enable`` against config-services on a real bus."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tests.support.nats import NatsServer
from tests.support.shapes import as_documented
from tests.support.waiting import eventually_async
from tests.unit.ctl.documents import condition, table, verdict
from vipbus.bus import Bus, BusAddress, Follow, RefusedError, StateWriter, serve
from vipbus.contracts import (
    CONFIG,
    HEALTH,
    OPERATOR,
    TABLE,
    ConfigDocument,
    Destination,
    OperateResult,
    OperatorState,
    TableDocument,
)
from vipbus.telemetry import trace

TRACE = trace.record("test")
VIRTUAL, REAL = "10-9-0-1_80_tcp", "10-9-0-21_80"
KEY = f"{VIRTUAL}.{REAL}"
OTHER = f"10-9-0-1_443_tcp.{REAL}"


def configuration(*services: int) -> str:
    return "".join(
        f"virtual_server 10.9.0.1 {port} {{\n    protocol TCP\n"
        "    real_server 10.9.0.21 80 { TCP_CHECK { } }\n    real_server 10.9.0.22 80 { TCP_CHECK { } }\n}\n"
        for port in services
    )


class Site:
    """A bus with a config-service for each router, and the tables of routers that the test plays."""

    def __init__(self, server: NatsServer, directory: Path) -> None:
        self.server = server
        self.directory = directory
        self.bus = Bus(BusAddress(url=server.url), source="test")
        self.config: Follow[ConfigDocument] = self.bus.follow(CONFIG)
        self.said: Follow[OperatorState] = self.bus.follow(OPERATOR)
        self.tables: StateWriter[TableDocument] | None = None
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, router: str, *services: int, text: str = "") -> None:
        """Start the config-service of a router; ``text`` is what it reads besides these services."""
        own = self.directory / router
        own.mkdir(exist_ok=True)
        (own / "lb.conf").write_text(configuration(*services) + text)
        with (own / "log").open("ab") as log:
            self.processes[router] = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "config_service", "--bus", self.server.url),
                    *("--state-dir", str(own), "--file", f"{router}={own / 'lb.conf'}"),
                ],
                stderr=log,
            )

    def kill(self, router: str) -> None:
        process = self.processes.pop(router)
        process.kill()
        process.wait()

    async def started(self, *routers: str) -> None:
        for router in routers:
            await eventually_async(lambda r=router: f"{r}.head" in self.config.entries, f"{router} is there")  # type: ignore[misc]  # bound
        await self.served()

    async def served(self) -> None:
        """Wait until every config-service has told the bus of its commands."""

        async def answering() -> int:
            found = await self.bus.request_many("$SRV.INFO.config-service", quiet=0.2, longest=2)
            return sum(b'"operate"' in each for each in found)

        async with asyncio.timeout(20):
            while await answering() < len(self.processes):
                pass

    async def ask(self, state: str | None = "drain", **more: str) -> OperateResult:
        asked = {"real_server": "10.9.0.21:80", "state": state, "by": "ann"} | more
        body = msgspec.json.encode(asked)
        answer = await self.bus.request("vipbus.cmd.config-service.operate", body, timeout=10)
        return msgspec.json.decode(answer, type=OperateResult)

    def stands(self) -> dict[str, tuple[str, str, str]]:
        return {
            key: (entry.value.state, entry.value.by, entry.value.why)
            for key, entry in self.said.entries.items()
        }

    async def until(self, expected: dict[str, tuple[str, str, str]]) -> None:
        await eventually_async(lambda: self.stands() == expected, f"{expected}; there is {self.stands()}")

    async def vipbus(self, *arguments: str) -> tuple[int, str, str]:
        told = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "ctl", *arguments, "--by", "ann@lb1", "--bus", self.server.url],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return told.returncode, told.stdout, told.stderr

    def play(self, router: str, weight: int | None = 1, *, programmed: bool = True) -> None:
        """Say what a router's table has; None: not this real server."""
        pool = () if weight is None else (weight,)
        document = msgspec.structs.replace(
            table(router, programmed=programmed),
            destinations=tuple(
                Destination(address="10.9.0.21", port=80, weight=each, forwarding="NAT") for each in pool
            ),
        )
        assert self.tables is not None
        self.tables.set(document.key, document, TRACE)

    async def played(self) -> None:
        assert self.tables is not None
        assert await self.tables.flushed(10)


Story = Callable[[Site], Awaitable[None]]
Run = Callable[[Story], None]


@pytest.fixture
def site(nats_server: NatsServer, tmp_path: Path) -> Iterator[Run]:
    made: list[Site] = []

    def run(story: Story) -> None:
        async def whole() -> None:
            one = Site(nats_server, tmp_path)
            made.append(one)
            one.bus.start()
            await one.bus.usable(30)
            one.tables = StateWriter(one.bus, TABLE)
            await story(one)
            await one.tables.close()
            await one.bus.close()

        asyncio.run(asyncio.wait_for(whole(), 100))

    yield run
    for one in made:
        for router in list(one.processes):
            one.kill(router)


def test_one_word_holds_for_every_router_and_over_every_restart(site: Run) -> None:
    async def story(one: Site) -> None:
        one.start("r1", 80)
        one.start("r2", 80, 443)
        await one.started("r1", "r2")
        drained = ("drain", "ann", "new disk")
        for _ in range(4):  # whichever of the two answers
            assert await one.ask(why="new disk") == OperateResult(accepted=True, keys=(OTHER, KEY))
        await one.until({KEY: drained, OTHER: drained})
        first = one.said.entries[KEY].revision
        for router in ("r1", "r2"):
            one.kill(router)
        one.server.kill()
        one.server.start()
        await one.bus.usable(30)
        one.start("r2", 80, 443)
        await one.served()
        assert (await one.ask(why="new disk")).accepted
        await one.until({KEY: drained, OTHER: drained})
        assert one.said.entries[KEY].revision == first  # the same word is no news
        assert one.said.entries[KEY].trace is not None
        assert (await one.ask("disable", virtual_server="10.9.0.1:443")).keys == (OTHER,)
        await one.until({KEY: drained, OTHER: ("disable", "ann", "")})
        assert (await one.ask(None, real_server=REAL)).keys == (OTHER, KEY)
        await one.until({})

    site(story)


def test_a_word_once_taken_back_is_not_said_again_by_another_process(site: Run) -> None:
    async def story(one: Site) -> None:
        one.start("r1", 80)
        one.start("r2", 80)
        await one.started("r1", "r2")
        for _ in range(20):
            assert (await one.ask("drain")).accepted
            assert (await one.ask(None)).accepted
        assert (await one.ask("drain", real_server="10.9.0.22:80")).accepted
        await one.until({f"{VIRTUAL}.10-9-0-22_80": ("drain", "ann", "")})

    site(story)


def test_what_nobody_has_is_refused_with_what_there_is(site: Run) -> None:
    async def story(one: Site) -> None:
        one.start("r1", 80)
        await one.started("r1")
        for asked, reason in (
            (
                {"real_server": "10.9.0.2:80"},
                "there is no real server 10.9.0.2:80; there is 10.9.0.22:80, 10.9.0.21:80",
            ),
            ({"real_server": "*"}, "there is no real server *; there is 10.9.0.21:80, 10.9.0.22:80"),
            (
                {"virtual_server": "10.9.0.1:443"},
                "10.9.0.1:443 has no real server 10.9.0.21:80; 10.9.0.1:80 TCP has it",
            ),
        ):
            assert await one.ask(**asked) == OperateResult(accepted=False, reason=reason)
        for body in (b"", b"{", b"[]", b'{"real_server": "x"}', b'{"real_server": "x", "by": ""}'):
            with pytest.raises(RefusedError):
                await one.bus.request("vipbus.cmd.config-service.operate", body, timeout=10)
        with pytest.raises(RefusedError):
            await one.ask(why="x" * 1001)
        assert not one.said.entries
        # what has left the configuration can still be enabled, and nothing else
        (one.directory / "r1" / "lb.conf").write_text(configuration(80).replace("10.9.0.21", "10.9.0.29"))
        assert (await one.ask()).accepted
        await one.bus.request("vipbus.cmd.config-service.reload", b"", timeout=10)
        assert not (await one.ask()).accepted
        assert (await one.ask(None)).keys == (KEY,)
        await one.until({})

    site(story)


def test_a_groups_name_and_a_mark_name_virtual_servers(site: Run) -> None:
    group = (
        "virtual_server_group Front {\n10.9.0.8-9 80\nfwmark 7\n}\n"
        "virtual_server group Front {\nprotocol TCP\nreal_server 10.9.0.21 80 {\n}\n}\n"
    )
    of_group = tuple(f"{each}.{REAL}" for each in ("10-9-0-8_80_tcp", "10-9-0-9_80_tcp", "fwm-7_ipv4"))

    async def story(one: Site) -> None:
        one.start("r1", 80, text=group)
        await one.started("r1")
        assert (await one.ask(virtual_server="front")).keys == of_group
        await one.until(dict.fromkeys(of_group, ("drain", "ann", "")))
        assert (await one.ask("disable", virtual_server="FWM 7")).keys == of_group[2:]
        assert (await one.ask(None, virtual_server="Front")).keys == of_group
        await one.until({})
        assert (await one.ask(virtual_server="back")).reason == (
            "back has no real server 10.9.0.21:80; 10.9.0.1:80 TCP, 10.9.0.8:80 TCP, 10.9.0.9:80 TCP has it"
        )

    site(story)


def test_enabling_leaves_a_marker_where_nothing_was_ever_said(site: Run) -> None:
    """A programmer may remember what a bus that lost its store does not."""

    async def story(one: Site) -> None:
        one.start("r1", 80)
        await one.started("r1")
        assert (await one.ask(None)).keys == (KEY,)
        await eventually_async(lambda: KEY in one.said.removed, "it is seen to be deleted")
        marked, _ = await one.bus.revision(OPERATOR, KEY)
        assert (await one.ask(None)).accepted
        assert await one.bus.revision(OPERATOR, KEY) == (marked, None)

    site(story)


def test_a_document_that_is_not_readable_is_replaced(site: Run) -> None:
    async def story(one: Site) -> None:
        one.start("r1", 80)
        await one.started("r1")
        await one.bus.write(OPERATOR, KEY, b"{", last=0, trace=TRACE)
        assert (await one.ask("disable")).accepted
        await one.until({KEY: ("disable", "ann", "")})

    site(story)


def test_the_command_waits_for_every_table(site: Run) -> None:
    async def story(one: Site) -> None:
        one.start("r1", 80)
        await one.started("r1")
        for router in ("r1", "r2"):
            told = condition("ipvs-programmer", router)
            serve(one.bus, "ipvs-programmer", condition=lambda told=told: told, metadata={})  # type: ignore[misc]  # bound
        one.play("r1")
        one.play("r2", programmed=False)
        await one.played()
        drain = asyncio.ensure_future(
            one.vipbus("drain", "10.9.0.21:80", "--why", "new disk", "--wait", "30")
        )
        await one.until({KEY: ("drain", "ann@lb1", "new disk")})
        one.play("r1", 0)
        assert await drain == (
            0,
            (
                "10.9.0.21:80 of 10.9.0.1:80 TCP drained by ann@lb1: new disk\n"
                "r1: weight 0\nr2: not in the table (standby)\n"
            ),
            "",
        )
        status, said, complaint = await one.vipbus("disable", "10.9.0.21:80", "--wait", "0.5")
        assert (status, said.splitlines()[1]) == (3, "r1: weight 0")
        assert complaint == (
            "vipbus disable: r1 has it otherwise after 0.5 s; `vipbus status` tells how its programmers "
            "are there\n"
        )
        status, said, _ = await one.vipbus("disable", "10.9.0.21:80", "--wait", "0.5", "--json")
        answer = as_documented("disable", said)
        assert (status, answer["done"], answer["state"], answer["by"]) == (3, False, "disable", "ann@lb1")
        assert [(each["router"], each["has"], each["done"]) for each in answer["tables"]] == [
            ("r1", "weight 0", False),
            ("r2", "not in the table (standby)", True),
        ]
        one.play("r1", None)
        await one.played()
        down = verdict("10.9.0.21", "down", cause="connection refused")
        await one.bus.write(HEALTH, down.key, msgspec.json.encode(down), last=0, trace=TRACE)
        assert await one.vipbus("enable", "10.9.0.21:80", "--virtual-server", "10.9.0.1:80 TCP") == (
            0,
            (
                "10.9.0.21:80 of 10.9.0.1:80 TCP enabled by ann@lb1\n"
                "r1: out of the table, since it is down: connection refused\n"
                "r2: not in the table (standby)\n"
            ),
            "",
        )

    site(story)


def test_the_command_says_what_was_refused(site: Run) -> None:
    async def story(one: Site) -> None:
        nobody = await one.vipbus("drain", "10.9.0.21:80")
        assert nobody == (3, "", "vipbus drain: nobody serves vipbus.cmd.config-service.operate\n")
        one.start("r1", 80)
        await one.started("r1")
        assert await one.vipbus("drain", "10.9.0.31:80") == (
            2,
            "",
            ("vipbus drain: there is no real server 10.9.0.31:80; there is 10.9.0.21:80, 10.9.0.22:80\n"),
        )
        assert await one.vipbus("drain", "10.9.0.21:80", "--wait", "0") == (
            0,
            "10.9.0.21:80 of 10.9.0.1:80 TCP drained by ann@lb1\n",
            "",
        )
        status, said, _ = await one.vipbus("drain", "10.9.0.22:80")
        assert (status, said.splitlines()[1:]) == (0, ["no router has said yet what its table holds"])

    site(story)
