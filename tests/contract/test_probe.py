"""``vipbus probe`` as a process: a real bus, replicas of the prober, servers good and bad."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from tests.contract.test_ctl import connected, vipbus
from tests.support.config import publish_config
from tests.support.nats import NatsServer, free_port
from tests.support.shapes import as_documented
from tests.support.waiting import eventually, eventually_async
from vipbus.bus import Bus, RefusedError, serve
from vipbus.contracts import (
    HEALTH,
    MEMBER,
    Condition,
    HttpCheck,
    HttpRequest,
    Member,
    ProbeNow,
    ProbeReport,
    Proxy,
    ProxyBind,
    ProxyPool,
    RealServer,
    Verdict,
    VirtualServer,
)
from vipbus.telemetry import trace

T = TypeVar("T")
VS = "10-9-0-1_80_tcp"
NAME = "10.9.0.1:80 TCP"
GOOD, BAD, SILENT, GONE = "127.9.0.1", "127.9.0.2", "127.9.0.3", "127.9.0.4"
TIMEOUT = 0.5


class Web(BaseHTTPRequestHandler):
    """Answers as the address says that it was asked at."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.startswith("/healthy"):
            self.send_response(503 if self.connection.getsockname()[0] == BAD else 200)
        else:
            self.send_response(404)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Scene:
    """A virtual server with four real servers on a bus, and the replicas that a test starts."""

    def __init__(self, server: NatsServer, directory: Path, stack: ExitStack) -> None:
        self.server = server
        self._directory = directory
        self._stack = stack
        self.replicas: dict[str, subprocess.Popen[bytes]] = {}
        self.web = ThreadingHTTPServer((GOOD, 0), Web)
        self.port = self.web.server_address[1]
        self._serve(self.web)
        self._serve(ThreadingHTTPServer((BAD, self.port), Web))
        self.silent = stack.enter_context(socket.create_server((SILENT, self.port), backlog=1000))
        self.configure(self.real_server(address) for address in (GOOD, BAD, SILENT, GONE))

    def _serve(self, server: ThreadingHTTPServer) -> None:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        self._stack.callback(thread.join)
        self._stack.callback(server.server_close)
        self._stack.callback(server.shutdown)

    def real_server(self, address: str, port: int | None = None, timeout: float = TIMEOUT) -> RealServer:
        check = HttpCheck(
            address=address,
            port=port or self.port,
            timeout=timeout,
            interval=0.5,
            requests=(HttpRequest(path="/healthy?token=secret"),),
        )
        return RealServer(
            router="r1", virtual_server=VS, address=address, port=port or self.port, checks=(check,)
        )

    front = VirtualServer(
        router="r1", address="10.9.0.1", port=80, protocol="TCP", scheduler="rr", forwarding="DR"
    )

    def configure(self, real_servers: Iterator[RealServer]) -> None:
        publish_config(self.server.url, (self.front, *real_servers), "r1")

    def start(self, *names: str) -> None:
        """Start replicas and wait until each answers."""
        for name in names:
            state = self._directory / name
            state.mkdir()
            with (self._directory / f"{name}.log").open("ab") as log:
                arguments = ("--id", name, "--bus", self.server.url, "--state-dir", str(state))
                self.replicas[name] = subprocess.Popen(
                    [sys.executable, "-m", "health_prober", *arguments], stderr=log
                )
            self._stack.callback(self.end, name, signal.SIGKILL)
        asked = ProbeNow(virtual_server=VS)
        for name in names:
            eventually(lambda name=name: not self.ask(name, asked).reason, f"{name} probes", within=30)  # type: ignore[misc]  # bound

    def end(self, name: str, number: signal.Signals) -> None:
        if (process := self.replicas.pop(name, None)) is not None:
            process.send_signal(number)
            process.wait(10)

    def with_bus(self, story: Callable[[Bus], Awaitable[T]]) -> T:
        async def play() -> T:
            async with connected(self.server) as bus:
                return await story(bus)

        return asyncio.run(asyncio.wait_for(play(), 60))

    def ask(self, name: str, asked: ProbeNow) -> ProbeReport:
        async def story(bus: Bus) -> ProbeReport:
            body = msgspec.json.encode(asked)
            try:
                told = await bus.request(f"vipbus.cmd.health-prober.probe.{name}", body, timeout=20)
            except Exception as error:
                return ProbeReport(prober=name, reason=str(error))
            return msgspec.json.decode(told, type=ProbeReport)

        return self.with_bus(story)

    def verdicts(self) -> dict[str, int]:
        """Read the revision of each verdict that stands."""

        async def story(bus: Bus) -> dict[str, int]:
            follow = bus.follow(HEALTH)
            await eventually_async(lambda: follow.live, "the verdicts are read")
            return {key: entry.revision for key, entry in follow.entries.items()}

        return self.with_bus(story)

    def probe(self, *arguments: str) -> tuple[int, str, str]:
        told = vipbus("probe", *arguments, server=self.server, within=40)
        return told.returncode, told.stdout, told.stderr

    def refused(self, *arguments: str, code: int = 2) -> str:
        """Give the one line with which a probe says that it could not be made."""
        status, said, complaint = self.probe(*arguments)
        assert (status, said) == (code, ""), said
        assert complaint.startswith("vipbus probe: ")
        assert complaint.count("\n") == 1
        return complaint.removeprefix("vipbus probe: ").rstrip("\n")


@pytest.fixture
def scene(nats_server: NatsServer, tmp_path: Path) -> Iterator[Scene]:
    with ExitStack() as stack:
        yield Scene(nats_server, tmp_path, stack)


def reports(text: str) -> list[ProbeReport]:
    return msgspec.json.decode(text, type=list[ProbeReport])


def test_from_here_each_real_server_is_told_with_its_steps(scene: Scene) -> None:
    verdict = Verdict(
        virtual_server=VS,
        real_server=f"{BAD.replace('.', '-')}_{scene.port}",
        verdict="up",
        cause="status 200, answered in 3.1 ms",
        since=datetime.now(UTC),
        prober="p1",
        lease=1,
    )
    scene.with_bus(
        lambda bus: bus.write(
            HEALTH, verdict.key, msgspec.json.encode(verdict), last=0, trace=trace.record("test")
        )
    )
    status, said, complaint = scene.probe("10.9.0.1:80")
    assert (status, complaint) == (1, "")
    at = f":{scene.port}"
    good, bad, silent, gone = re.split(r"\n(?=127\.9\.0\.)", said)
    url = f"http://{GOOD}{at}/healthy?..."
    assert good.startswith(f"{GOOD}{at} of {NAME}   http {url}\n")
    assert re.search(r"^ +\d+\.\d ms  connected", good, re.MULTILINE)
    assert re.search(r"^ +\d+\.\d ms  status 200", good, re.MULTILINE)
    assert re.search(r"\n  up: status 200, answered in \d+\.\d ms; no verdict stands$", good)
    assert "\n  DOWN: wrong status 503 (wanted 200-299), in " in bad
    assert "; the verdict that stands is up since " in " ".join(bad.split())
    assert " s): status 200, answered in 3.1 ms" in " ".join(bad.split())
    assert f"\n  DOWN: timed out after {TIMEOUT:g} s (" in silent
    assert "\n  DOWN: connection refused, in " in gone
    assert gone.endswith("\n4 checks tried, 1 succeeded, 3 FAILED\n")
    assert "secret" not in said
    assert "\033" not in said


def test_what_succeeds_is_0_and_json_is_what_crosses_the_bus(scene: Scene) -> None:
    for names in (("10.9.0.1 80 tcp", GOOD), (VS, f"{GOOD}:{scene.port}")):
        status, said, complaint = scene.probe(*names, "--check", "http", "--json")
        assert (status, complaint) == (0, "")
        as_documented("probe", said)
        (report,) = reports(said)
        assert report.prober == "here"
        (attempt,) = report.attempts
        assert (attempt.kind, attempt.result) == ("http", "success")
        assert 0 < attempt.seconds < TIMEOUT
        assert attempt.steps[0].what.startswith("connected")


def test_replicas_probe_too_by_name_and_all_of_them(scene: Scene) -> None:
    scene.start("lb1-a", "lb2-b")
    eventually(lambda: len(scene.verdicts()) == 4, "every real server has a verdict")
    status, said, complaint = scene.probe("10.9.0.1", GOOD, "--from", "lb2")
    assert (status, complaint) == (0, "")
    assert said.startswith(f"from lb2-b\n{GOOD}:{scene.port} of {NAME}   http http://{GOOD}:{scene.port}/")
    assert "; the verdict that stands is up since " in " ".join(said.split())
    status, said, complaint = scene.probe("10.9.0.1", "--from", "all", "--json")
    assert (status, complaint) == (1, "")
    found = reports(said)
    assert [report.prober for report in found] == ["lb1-a", "lb2-b"]
    for report in found:
        assert [attempt.result for attempt in report.attempts] == ["success", *["failure"] * 3]


def test_a_pool_of_proxies_is_probed_as_a_virtual_server_is(scene: Scene) -> None:
    members = [
        msgspec.structs.replace(scene.real_server(address), virtual_server="pool-app")
        for address in (GOOD, GONE)
    ]
    front = Proxy(router="r1", name="web", bind=(ProxyBind(address="192.0.2.10", port=80),), pool="app")
    entities = (scene.front, scene.real_server(GOOD), front, ProxyPool(router="r1", name="app"), *members)
    publish_config(scene.server.url, entities, "r1")
    scene.start("p1")
    for where in ("here", "p1"):
        status, said, complaint = scene.probe("pool app", "--from", where)
        assert (status, complaint) == (1, "")
        assert f"{GOOD}:{scene.port} of pool app   http " in said
        assert said.endswith("\n2 checks tried, 1 succeeded, 1 FAILED\n")
    status, said, _ = scene.probe("app", GOOD, "--json")
    assert (status, [each.real_server for each in reports(said)[0].attempts]) == (
        0,
        [f"{GOOD.replace('.', '-')}_{scene.port}"],
    )
    assert scene.refused("pool ap").startswith("no virtual server or pool 'pool ap'; there is pool app")


def test_no_verdict_follows_from_a_probe(scene: Scene) -> None:
    scene.start("p1")
    eventually(lambda: len(scene.verdicts()) == 4, "every real server has a verdict")
    before = scene.verdicts()
    for _ in range(3):
        assert scene.probe("10.9.0.1", "--from", "p1")[0] == 1
    assert scene.verdicts() == before


def test_names_that_mean_nothing_are_one_line(scene: Scene) -> None:
    assert scene.refused("10.9.0.2:80") == f"no virtual server '10.9.0.2:80'; there is {NAME}"
    there = "none is on this bus: start `vipbus run -f FILE`"
    assert scene.refused("10.9.0.1", "--from", "p1") == f"no health-prober 'p1', and {there}"
    assert (
        scene.refused("10.9.0.1", "--from", "all", code=3)
        == "no health-prober is on this bus: start `vipbus run -f FILE`"
    )
    scene.start("p1")
    assert scene.refused("10.9.0.1", "--from", "p9") == "no health-prober 'p9'; there is p1"


def test_what_this_host_lacks_is_not_the_targets_fault(scene: Scene) -> None:
    server = scene.real_server(GOOD)
    lacking = msgspec.structs.replace(server.checks[0], interface="nowhere9")
    scene.configure(iter((msgspec.structs.replace(server, checks=(*server.checks, lacking)),)))
    status, said, complaint = scene.probe("10.9.0.1")
    assert (status, complaint) == (3, "")
    assert "\n  NOT TRIED: interface nowhere9: this host has none; name one that it has\n" in said
    assert "\n2 checks tried, 1 succeeded, 1 NOT TRIED\n" in said


def test_a_replica_that_is_gone_is_one_line_and_the_others_are_told(scene: Scene) -> None:
    scene.start("p1")
    gone = "p2: no answer of health-prober (nobody serves vipbus.cmd.health-prober.probe.p2)"
    said = f"vipbus probe: {gone}; try again, or look at its log\n"

    async def story(bus: Bus) -> None:
        async with lease_of("p2", bus):
            status, out, complaint = await asyncio.to_thread(scene.probe, "10.9.0.1", GOOD, "--from", "p2")
            assert (status, out, complaint) == (3, "", said)
            status, out, complaint = await asyncio.to_thread(scene.probe, "10.9.0.1", GOOD, "--from", "all")
            assert (status, complaint) == (3, said)
            assert out.startswith("from p1\n")
            assert "\n  up: status 200" in out

    scene.with_bus(story)


@asynccontextmanager
async def lease_of(prober: str, bus: Bus) -> AsyncIterator[None]:
    """Hold the lease of a replica that is not there: one that was killed has it for a while."""
    body = msgspec.json.encode(Member(prober=prober, since=datetime.now(UTC), targets=0))

    async def renew(last: int = 0) -> None:
        while True:
            last = await bus.write(MEMBER, prober, body, last=last, trace=trace.record("test"), ttl=60)
            held.set()
            await asyncio.sleep(0.3)

    held = asyncio.Event()
    renewing = asyncio.ensure_future(renew())
    await held.wait()
    yield
    assert not renewing.done()
    renewing.cancel()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "health-prober answered what is not understood: Input data was truncated"),
        (b"{", "health-prober answered what is not understood: "),
        (b"\xff\xfe", "health-prober answered what is not understood: "),
        (b"[" * 100_000, "health-prober answered what is not understood: "),
        (
            b'{"prober":"p1","attempts":[{"result":"maybe"}]}',
            "health-prober answered what is not understood: ",
        ),
        (b'{"prober":"p1","left_out":-1}', "health-prober answered what is not understood: "),
        (b'{"prober":"p1","reason":"\\u001b[2Jno\\nmore"}', "evil: \ufffd[2Jno\ufffdmore"),
        (None, "evil: it hurts"),
    ],
)
def test_an_answer_that_is_no_report_is_one_line(scene: Scene, answer: bytes | None, said: str) -> None:
    async def story(bus: Bus) -> None:
        async def command(_body: bytes) -> bytes:
            if answer is None:
                raise ValueError("it hurts")
            return answer

        told = Condition(
            service="health-prober",
            router=None,
            instance_id="x",
            version="",
            pid=1,
            started=datetime.now(UTC),
            ready=True,
        )
        serve(bus, "health-prober", condition=lambda: told, metadata={}, commands={"probe.evil": command})
        async with lease_of("evil", bus):
            status, out, complaint = await asyncio.to_thread(scene.probe, "10.9.0.1", "--from", "evil")
        assert (status, out) == (3, "")
        assert complaint.startswith("vipbus probe: evil: ")
        assert said in complaint
        assert complaint.count("\n") == 1

    scene.with_bus(story)


def test_what_is_asked_of_a_replica_is_answered_whatever_it_is(scene: Scene) -> None:
    scene.start("p1")

    async def story(bus: Bus) -> None:
        subject = "vipbus.cmd.health-prober.probe.p1"
        for body in (b"", b"{", b"\xff", b"[]", b'{"virtual_server":1}', b"{}", b"[" * 100_000):
            with pytest.raises(RefusedError):
                await bus.request(subject, body)
        for asked in (
            ProbeNow(virtual_server=""),
            ProbeNow(virtual_server="*"),
            ProbeNow(virtual_server="x" * 500_000),
            ProbeNow(virtual_server=VS, real_server=">.x"),
            ProbeNow(virtual_server=VS, kind="\033[2J" * 10_000),
        ):
            answer = await bus.request(subject, msgspec.json.encode(asked), timeout=5)
            report = msgspec.json.decode(answer, type=ProbeReport)
            assert report.reason
            assert report.attempts == ()
            assert len(report.reason) < 700

    scene.with_bus(story)
    assert len(scene.ask("p1", ProbeNow(virtual_server=VS)).attempts) == 4


def test_a_large_pool_is_answered_in_time_and_what_was_left_out_is_told(scene: Scene) -> None:
    with socket.create_server(("0.0.0.0", 0), backlog=4096) as silent:
        port = silent.getsockname()[1]
        pool = [scene.real_server(f"127.9.{n // 250 + 1}.{n % 250 + 1}", port, 3.0) for n in range(1000)]
        scene.configure(iter(pool))
        scene.start("p1")
        began = time.monotonic()
        status, said, complaint = scene.probe("10.9.0.1", "--from", "p1", "--json")
        assert time.monotonic() - began < 20
    assert (status, complaint) == (1, "")
    (report,) = reports(said)
    assert 64 <= len(report.attempts) < 1000
    assert report.left_out == 1000 - len(report.attempts)
    assert all(attempt.cause.startswith("timed out after 3 s (") for attempt in report.attempts)


def test_the_checks_of_a_file_need_no_bus(tmp_path: Path) -> None:
    file = tmp_path / "lb.conf"
    with socket.create_server((GOOD, 0)) as good:
        port = good.getsockname()[1]
        file.write_text(
            "virtual_server 10.9.0.1 80 {\nlb_algo rr\nlb_kind DR\nprotocol TCP\n"
            f"real_server {GOOD} 80 {{\nTCP_CHECK {{\nconnect_port {port}\n}}\n}}\n}}\n"
        )
        told = vipbus("probe", "10.9.0.1:80", "-f", str(file), "--state-dir", str(tmp_path))
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith(f"{GOOD}:80 of {NAME}   tcp {GOOD}:{port}\n")
    assert re.search(r"\n  up: answered in \d+\.\d ms\n$", told.stdout)
    told = vipbus("probe", "10.9.0.9:80", "-f", str(file))
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == f"vipbus probe: no virtual server '10.9.0.9:80'; there is {NAME}\n"
    told = vipbus("probe", "10.9.0.1:80", "-f", str(file), "--from", "all")
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == "vipbus probe: replicas probe what is configured: leave out -f, or --from\n"
    file.write_text("virtual_server 10.9.0.1 80 {\nlb_algo x\n}\nfoo\n")
    told = vipbus("probe", "10.9.0.1:80", "-f", str(file))
    assert (told.returncode, told.stdout) == (2, "")
    first, *more, last = told.stderr.splitlines()
    assert first.startswith(f"{file}:2:9: ")
    assert more
    assert last == f"vipbus probe: nothing was tried: {file} is refused"
    told = vipbus("probe", "10.9.0.1:80", "-f", str(tmp_path / "none"))
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr.splitlines()[-1] == f"vipbus probe: nothing was tried: {tmp_path / 'none'} is refused"


def test_without_a_bus_nothing_is_tried(tmp_path: Path) -> None:
    port = free_port()
    told = vipbus("probe", "10.9.0.1:80", "--bus", f"nats://127.0.0.1:{port}")
    assert (told.returncode, told.stdout) == (3, "")
    assert told.stderr == (
        f"vipbus probe: the bus at nats://127.0.0.1:{port} does not answer: connection refused\n"
    )
    told = vipbus("probe", "10.9.0.1:80", "--state-dir", str(tmp_path))
    assert (told.returncode, told.stdout) == (3, "")
    assert told.stderr.startswith("vipbus probe: no bus: ")


def test_a_bus_without_a_configuration_says_so(nats_server: NatsServer) -> None:
    told = vipbus("probe", "10.9.0.1:80", server=nats_server)
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == "vipbus probe: no virtual server is configured\n"


def children_of(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def test_an_interrupt_ends_the_process_that_probes(scene: Scene) -> None:
    scene.configure(iter((scene.real_server(SILENT, timeout=20.0),)))
    command = [sys.executable, "-m", "ctl", "probe", "10.9.0.1", "--bus", scene.server.url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        with scene.silent.accept()[0]:
            (child,) = children_of(process.pid)
            process.send_signal(signal.SIGINT)
            out, complaints = process.communicate(timeout=10)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, out, complaints) == (130, b"", b"")
    eventually(lambda: not Path(f"/proc/{child}").exists(), "its process ends too")


def test_a_replica_that_is_stopped_in_the_middle_of_a_probe_stops(scene: Scene) -> None:
    scene.start("p1")
    scene.configure(iter((scene.real_server(SILENT, timeout=20.0),)))
    process = scene.replicas["p1"]
    told: list[tuple[int, str, str]] = []
    asking = threading.Thread(target=lambda: told.append(scene.probe("10.9.0.1", "--from", "p1")))
    asking.start()
    eventually(lambda: children_of(process.pid), "it probes", within=20)
    (child,) = children_of(process.pid)
    began = time.monotonic()
    scene.end("p1", signal.SIGTERM)
    assert process.returncode == 0
    assert time.monotonic() - began < 5
    eventually(lambda: not Path(f"/proc/{child}").exists(), "its process ends too")
    asking.join(40)
    said = "p1: no answer of health-prober: its lease has ended, so it has stopped or lost the bus"
    assert told == [(3, "", f"vipbus probe: {said}\n")]
