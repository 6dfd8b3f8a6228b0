"""A switch and what is plugged into it, for sites that are no pair of IPVS routers."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType

from tests.lab.client import Client
from tests.lab.declare import Declaration, RouterSpec
from tests.lab.namespace import Namespace, Switch
from tests.lab.router import Vipbus
from tests.lab.web import LISTENING
from tests.support.waiting import eventually

VIRTUAL = "10.9.0.100"
SILENT = {"ipv4.conf.all.arp_ignore": 1, "ipv4.conf.all.arp_announce": 2}
"""Settings of a node that has the virtual address on its lo and does not answer ARP for it."""
_LOG_LINES = 30


class Network:
    """Nodes by name, each with an eth0 in one network; all of it ends with the block."""

    def __init__(self) -> None:
        self._closing = contextlib.ExitStack()
        self._name = f"net{os.getpid():x}{secrets.token_hex(2)}"
        self._logs: list[Path] = []

    def __enter__(self) -> Network:
        # HAProxy's sockets need short paths
        self.directory = Path(tempfile.mkdtemp(prefix=f"{self._name}-"))
        self._closing.callback(shutil.rmtree, self.directory, ignore_errors=True)
        self.switch = Switch(f"{self._name}-switch")
        self._closing.callback(self.switch.close)
        self.switch.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            error.add_note(self.evidence())
        self._closing.close()

    def node(self, name: str, address: str, sysctl: dict[str, int] | None = None) -> Namespace:
        """Plug a node in."""
        made = Namespace(f"{self._name}-{name}")
        self._closing.callback(made.close)
        made.open(sysctl=sysctl)
        self.switch.plug(made, name, address)
        return made

    def vipbus(self, name: str, address: str, toml: str, sysctl: dict[str, int] | None = None) -> Vipbus:
        """Plug in a node that runs vipbus; it is not started yet."""
        node = self.node(name, address, sysctl)
        made = Vipbus(
            RouterSpec(name, 100), Declaration(routers=(RouterSpec(name, 100),)), node, self.directory / name
        )
        made.configuration = made.directory / "vipbus.toml"
        made.configuration.write_text(toml)
        self._logs.append(made.log)
        return made

    def web(self, name: str, address: str, port: int = 8080) -> Namespace:
        """Plug in a real server that answers with its name."""
        node = self.node(name, address)
        self.serve(name, node, port)
        return node

    def serve(self, name: str, node: Namespace, port: int = 8080) -> None:
        """Start a real server's HTTP server, again after it was killed."""
        log = self.directory / f"{name}.log"
        log.unlink(missing_ok=True)
        node.spawn([sys.executable, str(Path(__file__).with_name("web.py")), name, str(port)], log)
        eventually(lambda: LISTENING in log.read_text(), f"{name} listens", within=30)

    def client(self, address: str = "10.9.0.200") -> Client:
        """Plug in a client; it is not started yet."""
        return Client(self.node("client", address), self.directory)

    def evidence(self) -> str:
        """Give the end of what everybody logged."""
        lines: list[str] = []
        for log in self._logs:
            lines.append(f"-- {log.parent.name}")
            with contextlib.suppress(OSError):
                lines += [
                    f"   | {line}" for line in log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
                ]
        return "\n".join(lines)


def haproxy(router: Vipbus) -> dict[str, list[int]]:
    """Find a router's HAProxy: the process ids of its master and of its workers, oldest first."""
    found: dict[str, list[int]] = {"master": [], "workers": []}
    for pid in router.namespace.pids():
        with contextlib.suppress(OSError):
            argv = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            if Path(argv[0]).name == "haproxy":
                found["workers" if parent in found["master"] else "master"].append(pid)
    return found


def listens(node: Namespace, endpoint: str) -> bool:
    """Say whether somebody listens on ``ADDRESS:PORT`` there."""
    shown = subprocess.run(
        ["ip", "netns", "exec", node.name, "ss", "-Hltn"], capture_output=True, text=True, check=True
    )
    return any(endpoint in line.split() for line in shown.stdout.splitlines())
