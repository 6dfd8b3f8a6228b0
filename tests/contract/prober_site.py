"""Probers, each in a network namespace of its own, around one with their targets, the bus and the observer.

Every replica has a cable to the targets, where its attempts are seen, and a line to the bus that can stand
still.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import subprocess
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

from health_prober.sharing import voters
from tests.lab.namespace import Namespace
from tests.support.config import publish_config_on
from tests.support.nats import NatsServer
from tests.support.relay import Relay
from tests.support.waiting import eventually_async
from vipbus.bus import Bus, BusAddress
from vipbus.contracts import HEALTH, MEMBER, OPINION, Damping, RealServer, TcpCheck, Verdict

VS = "10-9-0-1_80_tcp"
PORT = 80
SLACK = 1.5
"""Seconds for a machine that is busy with other things."""
_ETH_P_IP = 0x0800
_SYN, _ACK = 0x02, 0x10


class Target:
    """An address in 10.78.0.0/16 and what arrived there."""

    def __init__(
        self, number: int, *, vantages: int = 1, interval: float = 0.5, damping: Damping | None = None
    ) -> None:
        self.address = f"10.78.{number >> 8}.{number & 255}"
        self.vantages = vantages
        self.server = RealServer(
            router="r1",
            virtual_server=VS,
            address=self.address,
            port=PORT,
            vantages=vantages,
            damping=damping,
            checks=(
                TcpCheck(
                    address=self.address,
                    port=PORT,
                    interval=interval,
                    timeout=1.5,
                    retry=3,
                    delay_before_retry=min(interval / 4, 0.5),
                ),
            ),
        )
        self.probes: list[tuple[float, str]] = []
        """When, and by which replica."""

    def voters(self, replicas: Iterable[str]) -> tuple[str, ...]:
        return voters(replicas, self.address.replace(".", "-"), self.vantages)

    def by(self, begin: float, end: float) -> Mapping[str, list[float]]:
        found: dict[str, list[float]] = defaultdict(list)
        for when, replica in self.probes:
            if begin <= when < end:
                found[replica].append(when)
        return found


class Replica:
    """A prober in a namespace of its own."""

    def __init__(self, site: Site, number: int) -> None:
        self.name = f"p{number}"
        self._namespace = Namespace(f"{site.prefix}{self.name}")
        self._site = site
        self._net = f"10.77.{number}"
        self.relay = Relay(f"{self._net}.1", site.server.port, ("127.0.0.1", site.server.port))
        self._process: subprocess.Popen[bytes] | None = None
        self._sniffer: socket.socket | None = None

    async def start(self) -> None:
        site, port = self._site, f"{self.name}"
        self._namespace.open()
        site.namespace.ip("link", "add", port, "type", "veth", "peer", "eth0", "netns", self._namespace.name)
        site.namespace.ip("addr", "add", f"{self._net}.1/24", "dev", port)
        site.namespace.ip("link", "set", port, "up")
        self._namespace.ip("addr", "add", f"{self._net}.2/24", "dev", "eth0")
        self._namespace.ip("link", "set", "eth0", "up")
        self._namespace.ip("route", "add", "default", "via", f"{self._net}.1")
        await self.relay.start()
        self._sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        self._sniffer.setsockopt(socket.SOL_SOCKET, 33, 2**24)  # SO_RCVBUFFORCE
        self._sniffer.bind((port, _ETH_P_IP))
        self._sniffer.setblocking(False)
        asyncio.get_running_loop().add_reader(self._sniffer, self._sniff)
        state = site.directory / self.name
        state.mkdir()
        self._process = self._namespace.spawn(
            [
                *("python", "-m", "health_prober", "--id", self.name),
                *("--bus", f"nats://{self._net}.1:{site.server.port}", "--state-dir", str(state)),
            ],
            site.directory / f"{self.name}.log",
        )

    def blind(self, target: Target) -> None:
        """Keep it from seeing a target."""
        self._namespace.ip("route", "add", "unreachable", f"{target.address}/32")

    def see(self, target: Target) -> None:
        """Let it see a target again."""
        self._namespace.ip("route", "del", "unreachable", f"{target.address}/32")

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    async def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
        if self._sniffer is not None:
            asyncio.get_running_loop().remove_reader(self._sniffer)
            self._sniffer.close()
        await self.relay.close()
        self._namespace.close()

    def _sniff(self) -> None:
        """Take what has come in on the cable: SYNs are attempts."""
        assert self._sniffer is not None
        now = time.monotonic()
        for _ in range(1000):
            try:
                packet = self._sniffer.recv(64)
            except BlockingIOError:
                return
            begin = 4 * (packet[0] & 15)
            if packet[9] == socket.IPPROTO_TCP and packet[begin + 13] & (_SYN | _ACK) == _SYN:
                target = self._site.by_address.get(packet[16:20])
                if target is not None:
                    target.probes.append((now, self.name))


class Site:
    """The targets, the bus, and an observer of what is written."""

    def __init__(
        self, namespace: Namespace, server: NatsServer, directory: Path, targets: Sequence[Target]
    ) -> None:
        self.namespace = namespace
        self.server = server
        self.directory = directory
        self.prefix = f"{namespace.name}-"
        self.targets = targets
        self.by_address = {socket.inet_aton(target.address): target for target in self.targets}
        self.replicas: dict[str, Replica] = {}
        self.verdicts: set[str] = set()
        """Every verdict that was ever written."""
        self.bus = Bus(BusAddress(url=server.url), source="test")

    async def open(self) -> None:
        self.bus.start()
        await self.bus.usable(30)
        self.members = self.bus.follow(MEMBER)
        self.opinions = self.bus.follow(OPINION)
        self.health = self.bus.follow(HEALTH, on_key=self._note)
        await publish_config_on(self.bus, [target.server for target in self.targets], "r1")

    def verdict(self, target: Target) -> Verdict | None:
        """Give what stands."""
        entry = self.health.entries.get(f"{VS}.{target.server.id}")
        return entry.value if entry is not None else None

    def _note(self, key: str) -> None:
        entry = self.health.entries.get(key)
        self.verdicts.add(entry.value.verdict if entry is not None else "removed")

    async def start(self, *numbers: int) -> None:
        for number in numbers:
            replica = Replica(self, number)
            self.replicas[replica.name] = replica
            await replica.start()

    def end(self, name: str) -> Replica:
        return self.replicas.pop(name)

    def shared(self, *names: str) -> bool:
        """Say whether exactly these lead everything between them, and all votes are there."""
        members = list(self.members.values())
        voting = [min(len(names), target.vantages) for target in self.targets]
        votes = sum(number for number in voting if number > 1)
        return (
            {member.prober for member in members} == set(names)
            and sum(member.targets for member in members) == len(self.targets)
            and len(self.opinions.entries) == votes
            and all(opinion.prober in names for opinion in self.opinions.values())
        )

    async def settle(self, *names: str) -> None:
        await eventually_async(lambda: self.shared(*names), f"{names} share everything", within=20)

    def longest_gaps(self, begin: float, end: float) -> list[float]:
        """For each target the longest time in which nobody probed it."""
        return [
            max(
                later - earlier
                for earlier, later in pairwise(
                    [begin, *(when for when, _ in target.probes if begin < when < end), end]
                )
            )
            for target in self.targets
        ]


def on_site(directory: Path, targets: Sequence[Target], story: Callable[[Site], Awaitable[None]]) -> None:
    """Play a story in namespaces that are made for it."""
    namespace = Namespace(f"vps{os.getpid():x}{secrets.token_hex(2)}")
    namespace.open()

    async def play() -> None:
        async with _opened(namespace, directory, targets) as site:
            await story(site)

    try:
        # every address of it is this host's own
        namespace.ip("route", "add", "local", "10.78.0.0/16", "dev", "lo")
        with namespace.entered():  # sockets and processes from here stand in it
            asyncio.run(asyncio.wait_for(play(), 120))
    finally:
        # the replicas' too, which a story that ran out of time may not have closed
        for each in sorted(Path("/run/netns").glob(f"{namespace.name}*")):
            Namespace(each.name).close()


@asynccontextmanager
async def _opened(namespace: Namespace, directory: Path, targets: Sequence[Target]) -> AsyncIterator[Site]:
    server = NatsServer(directory)
    server.start()
    site = Site(namespace, server, directory, targets)
    with socket.create_server(("0.0.0.0", PORT), backlog=4096):
        try:
            await site.open()
            yield site
        finally:
            for replica in list(site.replicas.values()):
                await replica.close()
            await site.bus.close()
            server.kill()
