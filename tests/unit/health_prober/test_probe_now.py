"""Probing on demand: what is tried, when it ends whatever a check does, and what is told of it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from types import ModuleType

import msgspec
import pytest

from health_prober.attempt import CheckFailedError, NotTriedError, Passed, Steps
from health_prober.probe_command import COMMAND, answer, chosen, fitting, nothing
from health_prober.probe_now import probed
from health_prober.targets import Target
from health_prober.whereabouts import whereabouts
from vipbus.contracts import (
    Check,
    DnsCheck,
    FileCheck,
    GrpcCheck,
    HttpCheck,
    HttpRequest,
    PingCheck,
    ProbeAttempt,
    ProbeNow,
    ProbeReport,
    ProbeTarget,
    Program,
    ScriptCheck,
    SmtpCheck,
    TcpCheck,
    Tls,
)
from vipbus.runtime.ending import run_to_end

HERE = "127.0.0.1"
replace = msgspec.structs.replace
Trying = Callable[[FileCheck, Steps], Awaitable[Passed]]


def file(path: str = "/a", *, timeout: float = 1.0) -> FileCheck:
    return FileCheck(address=HERE, port=80, path=path, timeout=timeout)


@pytest.fixture
def kind(monkeypatch: pytest.MonkeyPatch) -> Callable[[Trying], None]:
    """Make the attempt of file checks whatever the test wants."""

    def become(trying: Trying) -> None:
        module = ModuleType("health_prober.kinds.file")
        module.attempt = trying  # type: ignore[attr-defined]  # as every module of a kind has
        monkeypatch.setitem(sys.modules, module.__name__, module)

    return become


def run(*checks: Check, **options: float) -> ProbeReport:
    targets = tuple(ProbeTarget(real_server=f"s{n}", checks=(check,)) for n, check in enumerate(checks))
    return run_to_end(probed(targets, **options), patience=0.1)  # type: ignore[arg-type]  # numbers


def one(check: Check, **options: float) -> ProbeAttempt:
    (attempt,) = run(check, **options).attempts
    return attempt


def test_a_success_is_told_as_a_verdict_has_it(kind: Callable[[Trying], None]) -> None:
    async def attempt(_check: FileCheck, steps: Steps) -> Passed:
        steps.done("opened")
        await asyncio.sleep(0.01)
        steps.done("read \033[2J")
        return Passed(note="7", weight=5, weight_added=-2, warning="soon")

    kind(attempt)
    found = one(file("/run/weight"))
    assert (found.real_server, found.kind, found.where, found.result) == (
        "s0",
        "file",
        "/run/weight",
        "success",
    )
    assert found.cause.startswith("7, answered in ")
    assert (found.weight, found.weight_added, found.warning) == (5, -2, "soon")
    assert [step.what for step in found.steps] == ["opened", "read \ufffd[2J"]
    assert 0 <= found.steps[0].at < 0.01 <= found.steps[1].at <= found.seconds


@pytest.mark.parametrize(
    ("raised", "result", "cause"),
    [
        (CheckFailedError("wrong status 503"), "failure", "wrong status 503"),
        (ConnectionRefusedError(111, ""), "failure", "connection refused"),
        (NotTriedError("no such interface"), "local", "no such interface"),
        (ValueError("x\ny"), "local", "a fault of this program: ValueError: x\ufffdy"),
        (RecursionError(), "local", "a fault of this program: RecursionError: "),
        (
            ModuleNotFoundError("No module named 'h2'", name="h2"),
            "local",
            "h2 is not installed here: pip install vipbus[health-prober]",
        ),
        (asyncio.CancelledError(), "local", "a fault of this program: the check broke itself off"),
    ],
)
def test_every_way_to_fail_is_told(
    kind: Callable[[Trying], None], raised: BaseException, result: str, cause: str
) -> None:
    async def attempt(_check: FileCheck, _steps: Steps) -> Passed:
        raise raised

    kind(attempt)
    found = one(file())
    assert (found.result, found.cause) == (result, cause)


def test_a_kind_whose_library_is_not_there_is_told_and_the_others_go_on(
    kind: Callable[[Trying], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def attempt(_check: FileCheck, _steps: Steps) -> Passed:
        return Passed()

    kind(attempt)
    monkeypatch.setitem(sys.modules, "health_prober.kinds.http", None)
    first, second = run(HttpCheck(address=HERE, port=1), file()).attempts
    assert (first.result, second.result) == ("local", "success")
    assert "is not installed here" in first.cause


def test_a_check_that_does_not_end_is_left_behind(kind: Callable[[Trying], None]) -> None:
    async def attempt(check: FileCheck, steps: Steps) -> Passed:
        steps.wait("waiting for godot")
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                await asyncio.sleep(0.1)
            except asyncio.CancelledError:
                if check.path != "/deaf":
                    raise
        return Passed()

    kind(attempt)
    began = time.monotonic()
    slow, patient, deaf = run(
        file("/slow", timeout=0.2), file("/patient", timeout=3600), file("/deaf", timeout=0.2), longest=3.0
    ).attempts
    assert time.monotonic() - began < 50
    assert (slow.result, slow.cause) == ("failure", "timed out after 0.2 s (waiting for godot)")
    assert (patient.result, patient.cause) == (
        "local",
        "no end in sight (waiting for godot): its check has 3600 s, a probe on demand 3 s",
    )
    assert (deaf.result, deaf.cause) == (
        "local",
        "a fault of this program: the check did not end with its timeout of 0.2 s",
    )


def test_what_a_server_makes_of_the_steps_is_bounded(kind: Callable[[Trying], None]) -> None:
    async def attempt(_check: FileCheck, steps: Steps) -> Passed:
        for number in range(100_000):
            steps.done(f"{number} " + "x" * 1000)
        return Passed()

    kind(attempt)
    found = one(file())
    assert len(found.steps) == 100
    assert max(len(step.what) for step in found.steps) == 300
    assert found.steps[-1].what == "99901 more steps"


def test_a_large_pool_is_bounded_in_number_at_once_and_in_time(kind: Callable[[Trying], None]) -> None:
    flying = most = 0

    async def attempt(_check: FileCheck, _steps: Steps) -> Passed:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        try:
            await asyncio.sleep(60)
        finally:
            flying -= 1
        return Passed()

    kind(attempt)
    began = time.monotonic()
    report = run(*(file(timeout=0.5) for _ in range(1000)), begins_within=0.8, at_once=40)
    assert time.monotonic() - began < 10
    assert (most, flying) == (40, 0)
    tried = len(report.attempts)
    assert 40 <= tried <= 80
    assert report.left_out == 1000 - tried
    assert [attempt.real_server for attempt in report.attempts] == [f"s{n}" for n in range(tried)]


def test_what_a_check_imports_is_not_in_its_time() -> None:
    """A table says what is imported late; whatever else an attempt imports is missing there."""
    program = """
import asyncio, socket, sys
from health_prober.probe_now import probed
from vipbus.contracts import HttpCheck, ProbeTarget, TcpCheck, Tls

async def serve(connection_reader, writer):
    await connection_reader.read(1000)
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
    await writer.drain()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    asyncio.get_running_loop().call_soon(lambda: before.update(sys.modules))
    checks = (TcpCheck(address="127.0.0.1", port=port), HttpCheck(address="127.0.0.1", port=port))
    report = await probed((ProbeTarget(real_server="s", checks=checks),))
    print(*(attempt.result for attempt in report.attempts), *sorted(set(sys.modules) - set(before)))

before = {}
asyncio.run(main())
"""
    told = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, check=True)
    assert told.stdout == "success success\n"


# ---- what is asked of a replica

CHECK = TcpCheck(address="10.9.0.21", port=80)
VS, OTHER = "10-9-0-1_80_tcp", "10-9-0-2_80_tcp"
HTTP = HttpCheck(address="10.9.0.21", port=80)
TARGETS = tuple(
    Target(virtual_server=virtual_server, real_server=real_server, where="", checks=checks)
    for virtual_server, real_server, checks in (
        (VS, "10-9-0-22_80", (CHECK,)),
        (VS, "10-9-0-21_80", (CHECK, HTTP)),
        (OTHER, "10-9-0-21_80", (CHECK,)),
    )
)


def test_who_is_asked_for_is_chosen() -> None:
    def names(asked: ProbeNow) -> list[tuple[str, int]]:
        return [(each.real_server, len(each.checks)) for each in chosen(TARGETS, asked)]

    assert names(ProbeNow(virtual_server=VS)) == [("10-9-0-21_80", 2), ("10-9-0-22_80", 1)]
    assert names(ProbeNow(virtual_server=VS, real_server="10-9-0-22_80")) == [("10-9-0-22_80", 1)]
    assert names(ProbeNow(virtual_server=VS, kind="http")) == [("10-9-0-21_80", 1)]
    assert names(ProbeNow(virtual_server=VS, real_server="10-9-0-22_80", kind="http")) == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (ProbeNow(virtual_server="10-9-0-9_80_tcp"), "no real server of 10.9.0.9:80 TCP is checked here"),
        (ProbeNow(virtual_server="*"), "no real server of '*' is checked here"),
        (ProbeNow(virtual_server="x" * 10_000), f"no real server of '{'x' * 80}' is checked here"),
        (
            ProbeNow(virtual_server=VS, real_server="10-9-0-9_80"),
            "10.9.0.9:80 of 10.9.0.1:80 TCP is not checked here",
        ),
        (
            ProbeNow(virtual_server=VS, kind="dns"),
            "10.9.0.1:80 TCP has no check of kind 'dns'; it has http, tcp",
        ),
        (
            ProbeNow(virtual_server=VS, real_server="10-9-0-22_80", kind="dns"),
            "10.9.0.22:80 of 10.9.0.1:80 TCP has no check of kind 'dns'; it has tcp",
        ),
    ],
)
def test_why_there_is_nothing_to_try_is_told(asked: ProbeNow, said: str) -> None:
    assert nothing(TARGETS, asked) == said
    report = asyncio.run(answer("p1", {target.key: target for target in TARGETS}, asked))
    assert report == ProbeReport(prober="p1", reason=said)
    assert nothing((), asked) == "no configuration with checks has come here yet"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("pass", "Input data was truncated"),
        ("print('[]')", "Expected `object`, got `array`"),
        ("import sys; sys.exit('no module')", "no module"),
    ],
)
def test_a_process_that_does_not_answer_is_told(program: str, said: str) -> None:
    targets = {target.key: target for target in TARGETS}
    asked = ProbeNow(virtual_server=VS)
    report = asyncio.run(answer("p1", targets, asked, (sys.executable, "-c", program)))
    assert report == ProbeReport(prober="p1", reason=f"the checks could not be run: {said}")


def test_an_answer_fits_the_bus() -> None:
    (attempt,) = asyncio.run(
        probed((ProbeTarget(real_server="s", checks=(replace(CHECK, address="::"),)),))
    ).attempts
    size = len(msgspec.json.encode(attempt)) + 1
    report = ProbeReport(prober="p1", attempts=(attempt,) * 10, left_out=2)
    assert fitting(report, size * 10) == report
    less = fitting(report, size * 10 - 1)
    assert (len(less.attempts), less.left_out) == (9, 3)
    assert len(msgspec.json.encode(less.attempts)) <= size * 10
    assert fitting(report, 0).left_out == 12


@pytest.mark.parametrize(
    ("check", "where"),
    [
        (CHECK, "10.9.0.21:80"),
        (replace(CHECK, address="fd00::21", port=443), "[fd00::21]:443"),
        (replace(CHECK, source="10.9.0.5", source_port=99), "10.9.0.21:80 from 10.9.0.5 port 99"),
        (replace(CHECK, source_port=99, mark=7), "10.9.0.21:80 from any address port 99 with mark 7"),
        (replace(CHECK, interface="eth1"), "10.9.0.21:80 by eth1"),
        (HTTP, "http://10.9.0.21:80/"),
        (replace(HTTP, tls=Tls()), "https://10.9.0.21:80/"),
        (replace(HTTP, requests=()), "http://10.9.0.21:80"),
        (replace(HTTP, requests=(HttpRequest(path="/a?token=s3cret"),)), "http://10.9.0.21:80/a?..."),
        (
            replace(HTTP, requests=(HttpRequest(path="/a"), HttpRequest(), HttpRequest())),
            "http://10.9.0.21:80/a and 2 more",
        ),
        (
            replace(HTTP, requests=(HttpRequest(path="/" + "x" * 8000),)),
            ("http://10.9.0.21:80/" + "x" * 8000)[:200],
        ),
        (DnsCheck(address="10.9.0.21", port=53, type="A", name="lb.example"), "10.9.0.21:53 A lb.example"),
        (PingCheck(address="10.9.0.21", port=80), "10.9.0.21"),
        (SmtpCheck(address="10.9.0.21", port=25), "10.9.0.21:25"),
        (GrpcCheck(address="10.9.0.21", port=1), "10.9.0.21:1"),
        (GrpcCheck(address="10.9.0.21", port=1, service="shop"), "10.9.0.21:1 shop"),
        (file("/run/\033weight"), "/run/\ufffdweight"),
        (
            ScriptCheck(address=HERE, port=1, program=Program(arguments=("/bin/x", "--password", "s3cret"))),
            "/bin/x",
        ),
        (ScriptCheck(address=HERE, port=1, program=Program(arguments=())), "no program"),
    ],
)
def test_where_a_check_goes_is_told_without_secrets(check: Check, where: str) -> None:
    assert whereabouts(check) == where


# ---- the process


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"{}", b"\xff", b"[" * 100_000, b'[{"real_server":"x","checks":[{"kind":"newer"}]}]', b"[1]"],
)
def test_the_process_refuses_what_it_cannot_read(body: bytes) -> None:
    ended = subprocess.run(COMMAND, input=body, capture_output=True, timeout=20, check=False)
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert ended.stderr.count(b"\n") == 1
    assert ended.stderr.startswith(b"health_prober.probe_now: this is no array of ProbeTarget: ")


def test_the_process_breaks_off_when_it_is_told_to_end() -> None:
    with socket.create_server((HERE, 0)) as silent:
        check = HttpCheck(address=HERE, port=silent.getsockname()[1], timeout=25.0)
        body = msgspec.json.encode((ProbeTarget(real_server="s", checks=(check,)),))
        process = subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdin is not None
        process.stdin.write(body)
        process.stdin.close()
        process.stdin = None
        connection, _ = silent.accept()

        os.kill(process.pid, signal.SIGTERM)
        told, complaints = process.communicate(timeout=10)
        connection.close()
    assert (process.returncode, told, complaints) == (143, b"", b"")
