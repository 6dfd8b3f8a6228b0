"""Pools tell real programs and a real pipe what happens to them: on a real bus, with a fake kernel."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ipvs_programmer.metrics import NOTIFICATIONS
from ipvs_programmer.notify.pool import named, real_named
from tests.support.nats import NatsServer
from tests.support.side import running, script
from tests.support.vrrp import needs_root
from tests.unit.ipvs_programmer.world import Story, World, instance, real_server, virtual_server, world
from vipbus.bus import records
from vipbus.contracts import Entity, Fifo, IpvsSettings, NotifyFailed, Program, RealServer, VirtualServer
from vipbus.runtime.notify import order

pytestmark = needs_root

VS = "[10.9.0.1]:tcp:80"
A, B = (f"RS [10.9.0.{number}]:tcp:80 {VS}" for number in (21, 22))
_NOBODY = 65534


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that every user may enter and write."""
    path = Path(tempfile.mkdtemp(prefix="vipbus-pools-"))
    path.chmod(0o777)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def hang(mark: str) -> str:
    """A command that hangs like no other."""
    return f"exec sleep {mark}"


@pytest.fixture
def tell(nats_server: NatsServer, tmp_path: Path) -> Callable[[Story], None]:
    """Tell a story in a world of its own."""

    async def run(story: Story) -> None:
        async with world(nats_server, tmp_path / "state") as told, asyncio.timeout(60):
            await story(told)

    return lambda story: asyncio.run(run(story))


class Place:
    """Where a pipe and programs are, and what they heard."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fifo = path / "fifo"
        self._reader = -1
        self._text = ""

    def settings(self, **more: Any) -> IpvsSettings:
        """The pipe, without a program that reads it; programs run as root."""
        more = {"notify_fifo": Fifo(path=str(self.fifo)), "script_user": "root"} | more
        return IpvsSettings(router="router-a", **more)

    def lines(self) -> list[str]:
        """Read what came out of the pipe, all of it since the first."""
        if self._reader < 0:
            if not self.fifo.is_fifo():
                return []
            self._reader = os.open(self.fifo, os.O_RDWR | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while True:
                self._text += os.read(self._reader, 1 << 16).decode()
        return self._text.splitlines()

    def program(self, *words: str, then: str = "", user: str | None = None) -> Program:
        """Make a program that writes its arguments down, and does something then."""
        path = self.path / f"program{len(then)}"
        lines = (f'echo "$@" >> {self.path}/calls', then) if then else (f'echo "$@" >> {self.path}/calls',)
        return Program(arguments=(script(path, *lines), *words), user=user)

    def calls(self) -> list[str]:
        """What programs wrote down."""
        path = self.path / "calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def at(place: Path) -> Place:
    return Place(place)


def pool(at: Place, virtual: VirtualServer | None = None, *, programs: bool = True) -> tuple[Entity, ...]:
    """Two real servers, and whoever hears of them and of their quorum of both."""
    virtual = virtual or virtual_server(
        quorum=2,
        omega=True,
        quorum_up=at.program("quorum", "up") if programs else None,
        quorum_down=at.program("quorum", "down") if programs else None,
    )
    reals = [
        msgspec.structs.replace(
            real_server(f"10.9.0.{number}", of=virtual),
            notify_up=at.program(str(number), "up") if programs else None,
            notify_down=at.program(str(number), "down") if programs else None,
        )
        for number in (21, 22)
    ]
    return (instance(), virtual, *reals)


async def started(w: World, *entities: Entity, **options: Any) -> None:
    """Run with this configuration, until its table is written."""
    w.configure(*entities)
    await w.settled()
    w.run(**options)
    await w.until(lambda: w.document() is not None, "the table is said")


async def failures(w: World) -> AsyncIterator[NotifyFailed]:
    """Follow what is said of programs that failed."""
    async for record in records(w.bus, "vipbus.event.pool.*.notify-failed", follow=True):
        yield msgspec.json.decode(record.body, type=NotifyFailed)


def test_all_that_happens_is_told_in_order(tell: Callable[[Story], None], at: Place) -> None:
    async def story(w: World) -> None:
        w.addresses.set("10.9.0.1")
        before = NOTIFICATIONS.value(way="program", outcome="delivered")
        await started(w, at.settings(), *pool(at))
        expected = [f"VS {VS} UP"]
        heard = ["quorum up"]
        await w.until(lambda: at.lines() == expected, "the quorum is told")

        async def turns(to: str) -> None:
            w.verdict(to)
            expected.extend([f"{A} {to.upper()}", f"VS {VS} {to.upper()}"])
            heard.extend([f"21 {to}", f"quorum {to}"])
            await w.until(lambda: at.lines() == expected, "it is told")

        for _ in range(3):
            await turns("down")
            await turns("up")
        await w.until(lambda: at.calls() == heard, "programs run one after the other")
        await w.until(
            lambda: NOTIFICATIONS.value(way="program", outcome="delivered") >= before + len(heard),
            "and are counted",
        )
        assert w.problems() == ""

    tell(story)


def test_a_standby_hears_of_it_too(tell: Callable[[Story], None], at: Place) -> None:
    async def story(w: World) -> None:
        await started(w, at.settings(), *pool(at))
        w.verdict("down")
        await w.until(lambda: at.lines() == [f"VS {VS} UP", f"{A} DOWN", f"VS {VS} DOWN"], "it is told")
        assert w.held() == {}

    tell(story)


def test_a_killed_one_tells_nothing_twice(tell: Callable[[Story], None], at: Place) -> None:
    async def story(w: World) -> None:
        await started(w, at.settings(), *pool(at))
        await w.until(lambda: at.calls() == ["quorum up"], "the quorum is told")
        w.verdict("down")
        expected = [f"VS {VS} UP", f"{A} DOWN", f"VS {VS} DOWN"]
        await w.until(lambda: at.lines() == expected, "it is told")
        await w.until(lambda: len(at.calls()) == 3, "by programs too")
        # what is saved of the verdicts is older than what was told: nobody had the time
        await w.kill()
        w.run()
        w.verdict("down", "10.9.0.22")
        await w.until(lambda: at.lines() == [*expected, f"{B} DOWN"], "only what is new is told")
        heard = ["quorum up", "21 down", "quorum down", "22 down"]
        await w.until(lambda: at.calls() == heard, "and by programs")

    tell(story)


def test_one_that_hangs_holds_the_next_back_for_a_while(
    tell: Callable[[Story], None], at: Place, monkeypatch: pytest.MonkeyPatch, hang: str
) -> None:
    monkeypatch.setattr(order, "PATIENCE", 0.5)

    async def story(w: World) -> None:
        hangs = at.program("quorum", "up", then=hang)
        virtual = virtual_server(quorum_up=hangs, quorum_down=at.program("quorum", "down"))
        await started(w, at.settings(), *pool(at, virtual, programs=False))
        await w.until(lambda: at.calls() == ["quorum up"], "it runs")
        began = time.monotonic()
        for address in ("10.9.0.21", "10.9.0.22"):
            w.verdict("down", address)
        await w.until(lambda: at.calls() == ["quorum up", "quorum down"], "the next has its turn")
        assert at.lines()[-1] == f"VS {VS} DOWN"  # which nobody held back
        assert time.monotonic() - began < 20
        async for failed in failures(w):
            assert failed.program == hangs.arguments[0]
            assert failed.virtual_server == virtual.id
            assert failed.reason == "it still runs after 0.5 s: the next waits no longer"
            break
        assert w.problems() == ""

    tell(story)


def test_one_that_fails_is_an_event_and_one_that_cannot_exist_a_problem(
    tell: Callable[[Story], None], at: Place
) -> None:
    async def story(w: World) -> None:
        missing = at.path / "missing"

        async def flap() -> None:
            w.verdict("up")
            await w.until(lambda: at.lines()[-1] == f"VS {VS} UP", "it is up")
            w.verdict("down")

        virtual = virtual_server(
            quorum_up=at.program("quorum", "up", then="exit 3"),
            quorum_down=Program(arguments=(str(missing),)),
        )
        await started(w, at.settings(), *pool(at, virtual, programs=False))
        said = failures(w)
        failed = await anext(said)
        assert (failed.reason, failed.virtual_server) == ("exit status 3", virtual.id)
        assert w.problems() == ""
        for address in ("10.9.0.21", "10.9.0.22"):
            w.verdict("down", address)
        failed = await anext(said)
        assert (failed.program, failed.reason) == (
            str(missing),
            f"{missing} cannot be run: no such file, or none where its #! line points",
        )
        await w.until(lambda: f"{missing} cannot be run" in w.problems(), "it is a problem")
        # it is one until the program has run, or is not wanted any more
        script(missing, f"echo there >> {at.path}/calls")
        await flap()
        await w.until(lambda: "there" in at.calls() and not w.problems(), "all is right again")
        missing.unlink()
        await flap()
        await w.until(lambda: f"{missing} cannot be run" in w.problems(), "it is a problem again")
        w.configure(at.settings(), *pool(at))
        await w.until(lambda: not w.problems(), "nobody wants it any more")

    tell(story)


def test_a_program_that_left_the_configuration_is_no_problem(
    tell: Callable[[Story], None], at: Place
) -> None:
    async def story(w: World) -> None:
        missing = Program(arguments=(str(at.path / "missing"),))
        await started(w, at.settings(), *pool(at, virtual_server(quorum_down=missing), programs=False))
        await w.until(at.lines, "the quorum is told")
        other = virtual_server(port=81)
        w.configure(at.settings(), *pool(at, other, programs=False))
        failed = await anext(failures(w))
        assert failed.program == missing.arguments[0]
        assert w.problems() == ""
        await w.until(lambda: len(at.lines()) == 5, "all that left is told, and what came")
        assert at.lines()[1:] == [f"{A} DOWN", f"{B} DOWN", f"VS {VS} DOWN", "VS [10.9.0.1]:tcp:81 UP"]

    tell(story)


def test_a_program_that_others_could_change_is_not_run_by_root(
    tell: Callable[[Story], None], at: Place
) -> None:
    async def story(w: World) -> None:
        await started(w, at.settings(script_security=True), *pool(at))
        await w.until(lambda: "is not run as root" in w.problems(), "it is a problem")
        assert at.lines() == [f"VS {VS} UP"]
        assert at.calls() == []

    tell(story)


def test_programs_run_as_who_they_are_to_be(tell: Callable[[Story], None], at: Place) -> None:
    async def story(w: World) -> None:
        ids = f"id -u >> {at.path}/calls"
        virtual = virtual_server(quorum_up=at.program("as", then=ids, user="nobody"))
        reader = Program(
            arguments=(script(at.path / "reader", f'exec sed -u "s/^/read /" "$1" >> {at.path}/calls'),)
        )
        fifo = Fifo(path=str(at.fifo), script=reader)
        await started(
            w,
            at.settings(notify_fifo=fifo, script_user="nobody"),
            *pool(at, virtual, programs=False),
        )
        expected = {"as", str(_NOBODY), f"read VS {VS} UP"}
        await w.until(lambda: set(at.calls()) == expected, "both have heard")
        assert at.fifo.stat().st_uid == _NOBODY
        assert stat.S_IMODE(at.fifo.stat().st_mode) == 0o600
        await w.stop()
        assert running(str(at.path / "reader")) == []

    tell(story)


@pytest.mark.parametrize("hangs", [False, True])
def test_omega_tells_the_end_before_it_ends(
    tell: Callable[[Story], None], at: Place, hangs: bool, hang: str
) -> None:
    async def story(w: World) -> None:
        virtual, *reals = pool(at)[1:]
        assert isinstance(virtual, VirtualServer)
        if hangs:
            down = at.program("quorum", "down", then=hang)
            virtual = msgspec.structs.replace(virtual, quorum_down=down)
        await started(w, at.settings(), instance(), virtual, *reals)
        w.verdict("down")
        await w.until(lambda: at.calls()[-1:] == ["quorum down"], "all was told")
        before = len(at.lines())
        w.verdict("up")
        w.verdict("up", "10.9.0.22")
        await w.until(lambda: len(at.lines()) == before + 2, "it is up again")
        began = time.monotonic()
        await w.stop()
        assert time.monotonic() - began < 20
        assert at.lines()[before + 2 :] == [f"{A} DOWN", f"{B} DOWN", f"VS {VS} DOWN"]
        last = ["21 up", "quorum up", "21 down", "22 down", "quorum down"]
        # what could not have its turn was started at least
        await w.until(lambda: at.calls()[-5:] == last, "programs too")

    tell(story)


def runners() -> list[int]:
    """Find the processes that this one has for programs."""
    mine = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [pid for pid in running("vipbus.runtime.runner") if str(pid) in mine]


def test_where_nobody_listens_nothing_runs(tell: Callable[[Story], None], at: Place) -> None:
    async def story(w: World) -> None:
        await started(w, *pool(at, programs=False))
        w.verdict("down")
        await w.until(lambda: (d := w.document()) and not d.quorum, "the quorum is lost")
        assert not runners()
        assert not (w.state_dir / "ipvs-programmer.told.json").exists()
        # a pipe needs no runner either
        await w.stop()
        await started(w, at.settings(script_user=None), *pool(at, programs=False))
        await w.until(lambda: at.lines() == [f"{A} DOWN"], "the pipe hears")
        assert not runners()
        w.configure(at.settings(), *pool(at))
        await w.settled()
        w.verdict("up")
        await w.until(runners, "whoever runs a program does")

    tell(story)


_FILE = """
virtual_server_group web {
 10.9.0.2 80
 10.9.0.3 80
}
"""


@pytest.mark.skipif(shutil.which("keepalived") is None, reason="keepalived is not installed")
def test_names_are_keepalived_s_own(tmp_path: Path) -> None:
    """It names a real server that is there twice as it would in its pipe."""
    virtuals: dict[str, VirtualServer] = {
        "10.9.0.1 80": virtual_server(),
        "10.9.0.1 53": virtual_server(port=53, protocol="UDP"),
        "10.9.0.1 0": virtual_server(port=0, protocol="SCTP"),
        "fd00::1 80": virtual_server("fd00::1"),
        "fwmark 7": virtual_server("", 0, mark=7),
        "group web": virtual_server("10.9.0.2", group="web"),
    }
    text, expected = _FILE, []
    for words, virtual in virtuals.items():
        address = "fd00::21" if ":" in virtual.address else "10.9.0.21"
        real = RealServer(router="r", virtual_server=virtual.id, address=address, port=virtual.port)
        protocol = "" if virtual.mark else f" protocol {virtual.protocol}\n"
        twice = f" real_server {address} {virtual.port} {{ weight 1 }}\n" * 2
        persistent = " persistence_timeout 9\n" if not virtual.port else ""
        text += f"virtual_server {words} {{\n lb_algo rr\n lb_kind NAT\n{protocol}{persistent}{twice}}}\n"
        expected.append((named(virtual), real_named(virtual, real)))
    path = tmp_path / "keepalived.conf"
    path.write_text(text)
    done = subprocess.run(
        ["keepalived", "-t", "-f", str(path)], capture_output=True, text=True, check=False, timeout=30
    )
    assert re.findall(r"^VS (.+): real server (.+) is duplicated", done.stderr, re.MULTILINE) == expected
