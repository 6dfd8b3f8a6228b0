"""A real haproxy from a file of ours without the programmer, and a client."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from haproxy_programmer import runtime
from haproxy_programmer.listing import Listing
from haproxy_programmer.members import Member
from haproxy_programmer.observed import Observed
from haproxy_programmer.plan import plan
from haproxy_programmer.render import render
from haproxy_programmer.site import Place, Site
from haproxy_programmer.slots import Slots, assign
from haproxy_programmer.state_file import state_file
from haproxy_programmer.wanted import wanted
from tests.support.nats import free_port
from tests.support.proxy import haproxy, pool, proxy
from tests.support.proxy_echo import Echo, Seen
from tests.support.waiting import eventually
from vipbus.contracts import Proxy, ProxyPeers, ProxyPool, ProxySettings


def up(port: int, weight: int = 1) -> Member:
    """A member that serves."""
    return Member(address="127.0.0.1", port=port, weight=weight, usual=weight, state="up")


class Haproxy:
    """One, from a site; ends with the block."""

    def __init__(
        self,
        proxies: Sequence[Proxy],
        pools: Sequence[ProxyPool],
        members: dict[str, Iterable[Member]],
        settings: ProxySettings | None = None,
        peers: ProxyPeers | None = None,
    ) -> None:
        self._executable = haproxy()
        self.directory = Path(tempfile.mkdtemp(prefix="haproxy-"))
        self.place = Place(directory=self.directory, connections=500)
        self.site = Site(proxies=tuple(proxies), pools=tuple(pools), settings=settings, peers=peers)
        self._out = self.directory / "lines"
        self.change(members)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Haproxy:
        self.write()
        with self._out.open("wb") as out:
            self._process = subprocess.Popen(
                [self._executable, "-db", "-f", str(self.place.config)], stdout=out, stderr=subprocess.PIPE
            )
        eventually(self._answers, "haproxy answers")
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        shutil.rmtree(self.directory)

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            _, said = self._process.communicate()
            raise AssertionError(said.decode() + self.place.config.read_text())
        with contextlib.suppress(runtime.SilentError):
            return bool(asyncio.run(runtime.ask(self.place.socket, "show info")))
        return False

    def write(self) -> None:
        Listing(self.place).write(self.site)
        self.place.config.write_text(render(self.site, self.place))
        self.place.state.write_text(state_file(self.site, {}))

    def change(self, members: dict[str, Iterable[Member]]) -> None:
        """Members of pools, by token, as they should be."""
        found = {token: tuple(each) for token, each in members.items()}
        slots = {
            each.id: assign(
                self.site.slots.get(each.id, Slots(size=0)), found.get(each.id, ()), idle=(), now=0, drain=60
            )
            for each in self.site.pools
        }
        self.site = msgspec.structs.replace(self.site, members=found, slots=slots)

    def bring(self, members: dict[str, Iterable[Member]]) -> tuple[str, ...]:
        """Change members by command; what was refused."""
        self.change(members)

        async def done() -> tuple[str, ...]:
            there = await runtime.look(self.place.socket)
            return await runtime.apply(self.place.socket, plan(wanted(self.site), there.servers))

        return asyncio.run(done())

    def lines(self) -> list[bytes]:
        """What it has logged."""
        return [line for line in self._out.read_bytes().split(b"\n") if line]

    def look(self) -> Observed:
        return asyncio.run(runtime.look(self.place.socket))

    def ask(self, line: str) -> str:
        return asyncio.run(runtime.ask(self.place.socket, line))


@contextlib.contextmanager
def one_pool(
    servers: Sequence[Echo],
    weights: Sequence[int] = (),
    *,
    front: dict[str, Any] | None = None,
    **changes: Any,
) -> Iterator[tuple[Haproxy, int]]:
    """A haproxy with one proxy and one pool, and the port that it listens on."""
    port = free_port()
    made = pool(**changes)
    weighed = zip(servers, weights or [1] * len(servers), strict=True)
    members = [up(each.port, weight) for each, weight in weighed]
    with Haproxy([proxy(port, mode=made.mode, **(front or {}))], [made], {made.id: members}) as running:
        yield running, port


def ask(
    port: int,
    path: str = "/",
    *,
    method: str = "GET",
    source: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
    name: str = "web.example",
    before: bytes = b"",
    **headers: str,
) -> Seen:
    """Ask once, over a connection of its own; underscores in names of headers are dashes.

    An answer that is not a server's has the port 0; status 0: nobody answers.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        with socket.create_connection(("127.0.0.1", port), 10, source_address=(source, 0)) as plain:
            plain.sendall(before)
            connection.sock = tls.wrap_socket(plain, server_hostname=name) if tls is not None else plain
            sent = {key.replace("_", "-"): value for key, value in headers.items()}
            connection.request(method, path, headers=sent)
            answer = connection.getresponse()
            body = answer.read()
            back = {key.lower(): value for key, value in answer.getheaders()}
            try:
                seen = msgspec.json.decode(body, type=Seen)
            except msgspec.MsgspecError:
                return Seen(port=0, status=answer.status, answer=back)
            return msgspec.structs.replace(seen, status=answer.status, answer=back)
    except (OSError, http.client.HTTPException):
        return Seen(port=0, status=0)
    finally:
        connection.close()


@contextlib.contextmanager
def holding(port: int, servers: Sequence[Echo]) -> Iterator[int]:
    """Keep one request waiting at a server; the server's port."""
    thread = threading.Thread(target=ask, args=(port, "/hold"))
    thread.start()
    try:
        eventually(lambda: any(each.held.is_set() for each in servers), "somebody holds it")
        yield next(each.port for each in servers if each.held.is_set())
    finally:
        for each in servers:
            each.go.set()
        thread.join()


def took(began: float) -> float:
    """Seconds since a moment of `time.monotonic`."""
    return time.monotonic() - began
