"""ipvs-programmer alone in a router's namespace; the test plays the other services on a bus beside it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from tests.lab.namespace import Namespace
from tests.lab.peer import LISTENING
from tests.support.nats import NatsServer
from tests.support.waiting import eventually
from tests.unit.ipvs_programmer.world import World
from vipbus.bus import conditions
from vipbus.contracts import Condition


class Alone:
    """A programmer as a process of its own, on the kernel of its namespace."""

    def __init__(self, node: Namespace, directory: Path, world: World, options: tuple[str, ...]) -> None:
        self.node = node
        self.world = world
        self.log = directory / "ipvs-programmer.log"
        self._directory = directory
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, on what the run before left."""
        arguments = [sys.executable, "-m", "ipvs_programmer", "--router", "router-a", "--log", "line"]
        arguments += ["--bus", self.world.server.url, "--state-dir", str(self._directory / "state")]
        self._process = self.node.spawn([*arguments, "--drift-interval", "0.2", *self._options], self.log)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it by a signal."""
        if self._process is not None:
            os.kill(self._process.pid, number)
            self._process.wait(20)
            self._process = None

    async def until(self, condition: Callable[[], object], what: str, within: float = 30.0) -> None:
        """Wait for a condition, asked in a thread while the bus goes on; the log says why it never came."""
        try:
            async with asyncio.timeout(within):
                while not await asyncio.to_thread(condition):  # noqa: ASYNC110  # nothing tells of it
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"not within {within} s: {what}\n{self.said()}") from None

    async def condition(self) -> Condition:
        """Ask it how it is."""
        found = await conditions(self.world.bus)
        return next(each for each in found if each.service == "ipvs-programmer")

    def said(self) -> str:
        """Give its log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""


@contextlib.asynccontextmanager
async def alone(node: Namespace, directory: Path, *options: str) -> AsyncIterator[Alone]:
    """Give a programmer that is not started yet, and its bus."""
    # a socket stays where it was made, so only what connects has to be inside
    with node.entered():
        server = _server(directory)
        told = World(server, directory / "unused")
        await told.start()
    made = Alone(node, directory, told, options)
    try:
        yield made
    finally:
        made.stop(signal.SIGKILL)
        await told.close()
        server.kill()


def _server(directory: Path) -> NatsServer:
    directory.mkdir()
    server = NatsServer(directory)
    server.start()
    return server


@contextlib.contextmanager
def nodes(*names: str) -> Iterator[list[Namespace]]:
    """Make namespaces with both families, and nothing between them yet."""
    prefix = f"lab{os.getpid():x}{secrets.token_hex(2)}"
    with contextlib.ExitStack() as closing:
        made = []
        for name in names:
            node = Namespace(f"{prefix}-{name}")
            closing.callback(node.close)
            node.open(sysctl={"ipv6.conf.all.disable_ipv6": 0, "ipv6.conf.default.accept_dad": 0})
            made.append(node)
        yield made


def cable(one: Namespace, device: str, other: Namespace, far: str) -> None:
    """Connect two nodes."""
    one.ip("link", "add", device, "type", "veth", "peer", "name", far, "netns", other.name)
    one.ip("link", "set", device, "up")
    other.ip("link", "set", far, "up")


def address(node: Namespace, device: str, *addresses: str) -> None:
    """Give a device addresses, usable at once."""
    for each in addresses:
        node.ip("addr", "add", each, "dev", device, *(("nodad",) if ":" in each else ()))


def peer(node: Namespace, log: Path, port: int = 80) -> None:
    """Start a real server; see `tests.lab.peer`."""
    node.spawn([sys.executable, str(Path(__file__).with_name("peer.py")), str(port)], log)
    eventually(lambda: LISTENING in log.read_text(), "the real server listens", within=20)
