"""A proxy and its pool, servers that say who they are, and the programmer around a real haproxy."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.nats import NatsServer, free_port
from vipbus.contracts import Proxy, ProxyBind, ProxyPool, RealServer

ROUTER = "lb-a"


def haproxy() -> str:
    """Find haproxy, the one that ``VIPBUS_HAPROXY`` names or the first; or skip, in CI that is a failure."""
    found = shutil.which(os.environ.get("VIPBUS_HAPROXY") or "haproxy")
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("there is no haproxy here")
    return found or ""


def proxy(port: int, **changes: Any) -> Proxy:
    return Proxy(
        **{
            "router": ROUTER,
            "name": "web",
            "bind": (ProxyBind(address="127.0.0.1", port=port),),
            "pool": "web",
            **changes,
        }
    )


def pool(**changes: Any) -> ProxyPool:
    return ProxyPool(**{"router": ROUTER, "name": "web", **changes})


def member(port: int, address: str = "127.0.0.1", **changes: Any) -> RealServer:
    return RealServer(
        **{"router": ROUTER, "virtual_server": "pool-web", "address": address, "port": port, **changes}
    )


class Server:
    """A real server that answers with its own port."""

    def __init__(self) -> None:
        class Answer(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = str(self.server.server_address[1]).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Seen-For", self.headers.get("X-Forwarded-For", ""))
                self.end_headers()
                self.wfile.write(body)

            def handle(self) -> None:
                with contextlib.suppress(ConnectionError):  # haproxy closes what it kept
                    super().handle()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def get(port: int, path: str = "/", **headers: str) -> tuple[int, str]:
    """Ask once, over a connection of its own; status 0: nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


def answers(port: int, times: int = 8) -> set[str]:
    """Ask several times; who answered."""
    return {body for _, body in (get(port) for _ in range(times))}


class Programmer:
    """haproxy-programmer as a process, with a state directory of its own."""

    def __init__(
        self, directory: Path, bus: NatsServer, run: Sequence[str] = ("-P", "-m", "haproxy_programmer")
    ) -> None:
        """Make one that keeps its state in a directory; ``run`` is what Python is given."""
        self.directory = directory
        self._run = run
        self.haproxy = directory / "haproxy"
        self._bus = bus
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    def start(self, *options: str) -> None:
        with (self.directory / "programmer.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    *self._run,
                    "--router",
                    ROUTER,
                    "--bus",
                    self._bus.url,
                    "--state-dir",
                    str(self.directory),
                    *options,
                ],
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> str:
        return (self.directory / "programmer.log").read_text(errors="replace")

    def kill(self) -> None:
        """Kill -9: what it had started runs on."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def master(self) -> int:
        return int((self.haproxy / "haproxy.pid").read_text())

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.master()}/task/{self.master()}/children").read_text()
        return [int(each) for each in children.split()]

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self._process is not None
        self._process.terminate()
        status = self._process.wait(20)
        self._process = None
        return status

    def close(self) -> None:
        if self._process is not None:
            self.kill()
        try:
            master = self.master()
            workers = self.workers()
        except (OSError, ValueError):
            return
        for each in (master, *workers):
            try:
                if b"haproxy" in Path(f"/proc/{each}/cmdline").read_bytes():
                    os.kill(each, signal.SIGKILL)
            except OSError:
                continue
