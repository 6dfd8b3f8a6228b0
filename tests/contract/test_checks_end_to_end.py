"""From a keepalived.conf with every kind of check to the verdicts on the bus: real services, real servers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SOCK_DGRAM, socket

import pytest

from tests.support.nats import NatsServer
from tests.support.vrrp import needs_root
from tests.support.waiting import eventually_async
from vipbus.bus import Bus, BusAddress
from vipbus.contracts import HEALTH, Verdict

pytestmark = needs_root


class _Pages(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(type(self).status if self.path == "/health" else 404)
        self.end_headers()
        self.wfile.write(b"all is well\n")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def web() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Pages) as server:
        _Pages.status = 200
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture
def echo() -> Iterator[int]:
    """A datagram server that answers what it is asked."""
    with socket(type=SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            while (received := server.recvfrom(2048))[0] != b"stop":
                server.sendto(received[0], received[1])

        thread = threading.Thread(target=serve)
        thread.start()
        port: int = server.getsockname()[1]
        yield port
        with socket(type=SOCK_DGRAM) as stop:
            stop.sendto(b"stop", ("127.0.0.1", port))
        thread.join()


def _server(number: int, check: str, port: int = 80) -> str:
    return f"    real_server 127.0.9.{number} {port} {{\n        weight 10\n        {check}\n    }}\n"


def _file(place: Path, web: int, echo: int) -> str:
    lines = "connect_timeout 2\n retry 0"
    return (
        "global_defs {\n    router_id r1\n    script_user root\n}\n"
        f"track_file load {{\n    file {place / 'load'}\n}}\n"
        "virtual_server 10.9.9.1 80 {\n    delay_loop 0.5\n    protocol TCP\n    lb_kind NAT\n"
        + _server(1, f"TCP_CHECK {{\n connect_ip 127.0.0.1\n connect_port {web}\n {lines}\n }}")
        + _server(
            2,
            "HTTP_GET {\n url {\n path /health\n status_code 200\n regex well\n }\n"
            f" connect_ip 127.0.0.1\n connect_port {web}\n {lines}\n }}",
        )
        + _server(
            3,
            f"UDP_CHECK {{\n payload 6869\n require_reply 6869\n connect_ip 127.0.0.1\n connect_port {echo}\n"
            f" {lines}\n }}",
        )
        + _server(4, f"PING_CHECK {{\n connect_ip 127.0.0.1\n {lines}\n }}")
        + _server(5, f"MISC_CHECK {{\n misc_path {place / 'script'}\n misc_timeout 5\n misc_dynamic\n }}")
        + _server(6, "FILE_CHECK {\n track_file load\n weight 2\n }")
        + "}\n"
    )


def test_every_kind_of_check_from_the_file_to_the_verdict(
    nats_server: NatsServer, tmp_path: Path, web: int, echo: int
) -> None:
    script, load, conf = tmp_path / "script", tmp_path / "load", tmp_path / "keepalived.conf"
    script.write_text("#!/bin/sh\nexit $(cat $(dirname $0)/exit)\n")
    script.chmod(0o755)
    (tmp_path / "exit").write_text("7")
    load.write_text("3")
    conf.write_text(_file(tmp_path, web, echo))

    async def story() -> None:
        bus = Bus(BusAddress(url=nats_server.url), source="test")
        bus.start()
        health = bus.follow(HEALTH)

        def verdict(number: int) -> Verdict | None:
            entry = health.entries.get(f"10-9-9-1_80_tcp.127-0-9-{number}_80")
            return entry.value if entry is not None else None

        async def says(number: int, name: str, cause: str) -> Verdict:
            def holds() -> bool:
                found = verdict(number)
                return found is not None and found.verdict == name and cause in found.cause

            await eventually_async(holds, f"127.0.9.{number} is {name}: {cause}", within=30)
            found = verdict(number)
            assert found is not None
            return found

        await says(1, "up", "answered in")
        await says(2, "up", "status 200")
        await says(3, "up", "answered in")
        await says(4, "up", "answered in")
        assert (await says(5, "up", "answered in")).weight == 5
        assert (await says(6, "up", "answered in")).weight_added == 6
        _Pages.status = 503
        await says(2, "down", "wrong status 503 (wanted 200)")
        (tmp_path / "exit").write_text("1")
        await says(5, "down", "script exit 1")
        load.write_text("-4")
        await eventually_async(
            lambda: (found := verdict(6)) is not None and found.weight_added == -8, "the weight follows"
        )
        _Pages.status = 200
        await says(2, "up", "status 200")
        await bus.close()

    with ExitStack() as processes:
        for name, options in (
            ("config_service", ("--router", "r1", "--file", str(conf))),
            ("health_prober", ("--id", "p1")),
        ):
            state = tmp_path / f"{name}.state"
            state.mkdir()
            log = processes.enter_context((tmp_path / f"{name}.log").open("wb"))
            process = subprocess.Popen(
                [sys.executable, "-m", name, "--bus", nats_server.url, "--state-dir", str(state), *options],
                stderr=log,
            )
            processes.callback(process.wait)
            processes.callback(process.terminate)
        try:
            asyncio.run(asyncio.wait_for(story(), 100))
        except BaseException as error:
            for name in ("config_service", "health_prober"):
                error.add_note((tmp_path / f"{name}.log").read_text()[-3000:])
            raise
