"""The lab: a network of routers, real servers and a client, to act upon and to ask.

    with Lab(Declaration(routers=(RouterSpec("r1", 150), RouterSpec("r2", 100)))) as lab:
        lab.settled("r1")
        lab.cut("r1")
        eventually(lambda: lab.who_holds() == ("r2",), "r2 took over")

Everything is real: namespaces, cables, packets, processes. Nothing of it survives the block; when the block
fails, what everybody logged is kept and its end is printed with the failure.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from tests.lab import router as routers
from tests.lab import table as tables
from tests.lab.capture import Capture
from tests.lab.client import EVERY, Client
from tests.lab.declare import CLIENT_ADDRESS, COLLECTOR_ADDRESS, COLLECTOR_PORT, PORT, Declaration
from tests.lab.namespace import Namespace, Switch
from tests.lab.web import LISTENING
from tests.support.otlp import OtlpReceiver, otlp_receiver
from tests.support.waiting import eventually

_LOG_LINES = 25
_STEADY = 15
"""Answered requests in a row that count as steady traffic: 0.3 s of it."""


class Lab:
    """A declared network, up and running inside the ``with`` block, its routers started."""

    def __init__(self, declaration: Declaration, *, collector: bool = False, start: bool = True) -> None:
        self.declaration = declaration
        self.address = declaration.instances[0].address
        """The first virtual address, the one that the client asks."""
        self._start = start
        self._closing = contextlib.ExitStack()
        self._name = f"lab{os.getpid():x}{secrets.token_hex(2)}"
        self._with_collector = collector
        self._cut_off: set[str] = set()
        self._web: dict[str, subprocess.Popen[bytes]] = {}
        self.collector = OtlpReceiver()
        """What the OTLP receiver on the lab's network has, where one was asked for."""

    def __enter__(self) -> Lab:
        """Build it."""
        try:
            self._build()
        except BaseException as error:
            error.add_note(self.evidence(_label()))
            self._closing.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take it down."""
        if isinstance(error, Exception):
            error.add_note(self.evidence(_label()))
        self._closing.close()

    def _build(self) -> None:
        declared = self.declaration
        self.directory = Path(tempfile.mkdtemp(prefix=f"{self._name}-"))
        self._closing.callback(shutil.rmtree, self.directory, ignore_errors=True)
        self.switch = Switch(f"{self._name}-switch")
        self._opened(self.switch)
        self.routers = {
            spec.name: routers.make(
                spec,
                declared,
                self._node(spec.name, declared.router_address(spec.name)),
                self.directory / spec.name,
            )
            for spec in declared.routers
        }
        # a real server of direct routing owns the virtual address and does not answer ARP for it
        silent = {"ipv4.conf.all.arp_ignore": 1, "ipv4.conf.all.arp_announce": 2}
        self.servers = {
            name: self._node(name, declared.server_address(name), silent) for name in declared.servers
        }
        for name, server in self.servers.items():
            for instance in declared.instances:
                server.ip("addr", "add", f"{instance.address}/32", "dev", "lo")
            self.open_port(name)
        self.client = Client(self._node("client", CLIENT_ADDRESS), self.directory)
        if self._with_collector:
            with self._node("collector", COLLECTOR_ADDRESS).entered():
                self.collector = self._closing.enter_context(otlp_receiver(COLLECTOR_ADDRESS, COLLECTOR_PORT))
        if self._start:
            for each in self.routers.values():
                each.start()

    def _opened(self, namespace: Namespace, sysctl: dict[str, int] | None = None) -> Namespace:
        self._closing.callback(namespace.close)
        namespace.open(sysctl=sysctl)
        return namespace

    def _node(self, name: str, address: str, sysctl: dict[str, int] | None = None) -> Namespace:
        node = self._opened(Namespace(f"{self._name}-{name}"), sysctl)
        self.switch.plug(node, name, address)
        return node

    # ---- act

    def start_client(self, every: float = EVERY) -> None:
        """Begin steady traffic to the first virtual address, a request every so many seconds."""
        self.client.start(self.address, PORT, every)

    def open_port(self, server: str) -> float:
        """Start a real server's HTTP server and return when it was seen to listen (monotonic seconds)."""
        program, log = str(Path(__file__).with_name("web.py")), self.directory / f"{server}.log"
        log.unlink(missing_ok=True)
        self._web[server] = self.servers[server].spawn([sys.executable, program, server, str(PORT)], log)
        eventually(lambda: LISTENING in log.read_text(), f"{server} listens")
        return time.monotonic()

    def close_port(self, server: str) -> None:
        """Kill a real server's HTTP server: connections to its port are refused from now on."""
        self._web[server].kill()
        self._web[server].wait()

    def cut(self, router: str) -> None:
        """Cut a router off: every process killed at once, and the cable pulled at the switch."""
        self._cut_off.add(router)
        self.routers[router].kill_all()
        self.switch.link(router, "down")

    def restore(self, router: str) -> None:
        """Bring a router back after `cut`.

        A real router comes back from a power cut without addresses and without a table. This one kept both in
        its namespace, and with the cable in it would answer for the virtual address beside its peer until
        its software has started. So the software starts first, with the cable still out, and removes what the
        run before left; the cable is plugged in once that is done.
        """
        back = self.routers[router]
        back.start()
        eventually(
            lambda: not any(back.holds(instance.address) for instance in self.declaration.instances),
            f"{router} removed the addresses of the run before",
            within=30,
            every=0.1,
        )
        self.switch.link(router, "up")
        self._cut_off.discard(router)

    @contextlib.contextmanager
    def capture(self) -> Iterator[Capture]:
        """Record VRRP and ARP as they cross the switch, for the length of a block."""
        capture = Capture(self.switch, self.directory)
        capture.start()
        try:
            yield capture
        finally:
            capture.stop()

    # ---- ask

    def vipbus(self, router: str) -> routers.Vipbus:
        """Give a router that runs vipbus."""
        found = self.routers[router]
        assert isinstance(found, routers.Vipbus)
        return found

    def who_holds(self, address: str | None = None) -> tuple[str, ...]:
        """Name the routers on the network that have an address now, by default the first virtual address."""
        wanted = address or self.address
        return tuple(
            name
            for name, router in self.routers.items()
            if name not in self._cut_off and router.holds(wanted)
        )

    def destinations(self, router: str, address: str | None = None) -> frozenset[str]:
        """Name the real servers that a router's table sends traffic to."""
        service = self.routers[router].table().get(f"{address or self.address}:{PORT}")
        addresses = {
            f"{self.declaration.server_address(name)}:{PORT}": name for name in self.declaration.servers
        }
        found = service.destinations if service else {}
        return frozenset(addresses[to] for to, weight in found.items() if weight > 0)

    def serves(self, router: str) -> bool:
        """Say whether a router, alone, holds every virtual address with the whole pool behind it."""
        return all(
            self.who_holds(instance.address) == (router,)
            and self.destinations(router, instance.address) == frozenset(self.declaration.servers)
            for instance in self.declaration.instances
        )

    def settled(self, router: str, *, within: float = 60.0) -> float:
        """Wait until a router serves, everything says it is ready, and the client's requests are answered."""
        took = eventually(lambda: self.serves(router), f"{router} serves", within=within, every=0.1)
        took += eventually(
            lambda: all(each.ready() for each in self.routers.values() if each.running),
            "everything is ready",
            within=within,
            every=0.2,
        )
        begin = time.monotonic()
        if self.client.started:
            took += eventually(
                lambda: self.client.answered_since(begin, _STEADY), "the client is answered", within=within
            )
        return took

    # ---- evidence

    def evidence(self, label: str) -> str:
        """Keep the logs and say, compactly, how things stand."""
        kept = Path(os.environ.get("VIPBUS_LAB_ARTIFACTS", "artifacts/lab")).absolute() / label
        lines = [f"lab as it is now; all logs are kept in {kept}"]
        for name, router in getattr(self, "routers", {}).items():
            lines.append(f"-- {name} ({router.spec.software}, priority {router.spec.priority})")
            with contextlib.suppress(AssertionError, OSError, KeyError, IndexError, ValueError):
                held = [i.address for i in self.declaration.instances if router.holds(i.address)]
                lines.append(f"   holds {', '.join(held) or 'nothing'}; table: {tables.show(router.table())}")
            if isinstance(router, routers.Vipbus) and router.running:
                with contextlib.suppress(subprocess.SubprocessError, OSError):
                    lines += [f"   {line}" for line in router.ask("status").stdout.splitlines()]
            if router.log.exists():
                log = router.log.read_text(errors="replace").splitlines()
                lines += [f"   | {line}" for line in log[-_LOG_LINES:]]
        if hasattr(self, "client") and self.client.started:
            lines.append(f"-- client, last 10 s: {self.client.recent(10)}")
        with contextlib.suppress(OSError, shutil.Error):
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(self.directory, kept, ignore=shutil.ignore_patterns("jetstream"))
        return "\n".join(lines)


def _label() -> str:
    """Name a failure after the test that runs, or after the program."""
    return re.sub(r"[^\w.-]+", "-", os.environ.get("PYTEST_CURRENT_TEST", Path(sys.argv[0]).stem))
