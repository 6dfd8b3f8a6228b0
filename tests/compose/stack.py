"""One running project of compose.yaml, with names, addresses and a bus port of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.models.containers import Container

from tests.support.nats import free_port
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "compose.yaml"
NET = "10.91"
"""The first two octets in compose.yaml and in deploy/compose."""
_SETTLES_WITHIN = 60.0

_LOCAL_ADDRESSES = """
import re
trie = open("/proc/net/fib_trie").read()
print(*set(re.findall(r"-- (\\S+)\\n\\s+/32 host LOCAL", trie)))
"""
_WAIT_FOR_ADDRESS = """
import sys, time
while f"-- {sys.argv[1]}\\n" not in open("/proc/net/fib_trie").read():
    time.sleep(0.005)
print(time.time())
"""
HAS_IPVS = """
import socket, struct
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)  # NETLINK_GENERIC
s.settimeout(2)
name = b"IPVS\\0"
attribute = struct.pack("=HH", 4 + len(name), 2) + name.ljust(8, b"\\0")  # CTRL_ATTR_FAMILY_NAME
body = struct.pack("=BBH", 3, 1, 0) + attribute  # CTRL_CMD_GETFAMILY
s.send(struct.pack("=IHHII", 16 + len(body), 16, 1, 1, 0) + body)
answer = s.recv(65536)
kind, = struct.unpack_from("=H", answer, 4)
print(kind != 2)  # NLMSG_ERROR
"""


@dataclass(frozen=True)
class Health:
    """What the engine knows from a container's health check."""

    status: str
    said: str


class Stack:
    """A project: act (`compose`, `kill`, `start`) and ask (`active`, `health`, `status`)."""

    def __init__(self, directory: Path, name: str = "") -> None:
        self.engine = docker.from_env()
        self.project = f"vipbus-test-{os.getpid()}{name}"
        self.tag = f"test-{os.getpid()}{name}"
        self.net = self._free_net()
        self.virtual_address = f"{self.net}.1.100"
        self.gateway = f"{self.net}.2.1"
        self.bus = f"nats://127.0.0.1:{(port := free_port())}"
        self.routers = directory / "routers"
        shutil.copytree(ROOT / "deploy" / "compose" / "routers", self.routers)
        self.routers.chmod(0o755)
        for file in self.routers.iterdir():
            file.write_text(file.read_text().replace(f"{NET}.", f"{self.net}."))
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("OTEL_")},
            "COMPOSE_PROJECT_NAME": self.project,
            "COMPOSE_PROFILES": "",
            "VIPBUS_NET": self.net,
            "VIPBUS_ROUTERS": str(self.routers),
            "VIPBUS_TAG": self.tag,
            "VIPBUS_BUS_PORT": str(port),
            "VIPBUS_BUS_TOKEN": "",
        }

    def _free_net(self) -> str:
        taken = {
            config.get("Subnet", "")
            for network in self.engine.networks.list()
            for config in (network.attrs["IPAM"]["Config"] or ())
        }
        return next(
            net
            for net in (f"10.{92 + (os.getpid() + n) % 64}" for n in range(64))
            if not any(subnet.startswith(f"{net}.") for subnet in taken)
        )

    # ---- act

    def compose(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run ``docker compose`` for this project."""
        done = subprocess.run(
            ["docker", "compose", "--file", str(COMPOSE), *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert not check or done.returncode == 0, (
            f"docker compose {' '.join(arguments)}: {done.stderr[-3000:]}"
        )
        return done

    def kill(self, *services: str) -> None:
        """Kill -9 a service's containers, in this order and as fast as the engine does."""
        for service in services:
            for container in self.containers(service):
                container.kill()

    def start(self, *services: str) -> None:
        """Start what was killed or stopped."""
        for service in services:
            for container in self.containers(service):
                container.start()

    def remove(self) -> None:
        """Leave nothing behind: containers, networks, volumes, images."""
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "5")
        for image in self.engine.images.list():
            if any(tag.endswith(f":{self.tag}") for tag in image.tags):
                self.engine.images.remove(str(image.id), force=True)
        self.engine.images.prune(filters={"label": f"com.docker.compose.project={self.project}"})

    # ---- ask

    def services(self) -> tuple[str, ...]:
        """Name every service of the default profile."""
        return tuple(sorted(self.compose("config", "--services").stdout.split()))

    def containers(self, service: str) -> list[Container]:
        """Find a service's containers, running or not, by number."""
        found = self.engine.containers.list(
            all=True,
            filters={
                "label": [
                    f"com.docker.compose.project={self.project}",
                    f"com.docker.compose.service={service}",
                    "com.docker.compose.oneoff=False",
                ]
            },
        )
        return sorted(found, key=lambda each: int(each.labels["com.docker.compose.container-number"]))

    def container(self, service: str) -> Container:
        """Find a service's only container, or the first of its replicas."""
        return self.containers(service)[0]

    def addresses(self, service: str, network: str) -> list[str]:
        """Read the addresses that a service's containers have in a network, by number."""
        return [
            each.attrs["NetworkSettings"]["Networks"][f"{self.project}_{network}"]["IPAddress"]
            for each in self.containers(service)
        ]

    def python(self, service: str, script: str, *arguments: str) -> str:
        """Run a few lines of Python inside a container and return what they print."""
        container = self.container(service)
        done = container.exec_run(["python3", "-c", script, *arguments])
        text = bytes(done.output).decode().strip()  # type: ignore[arg-type]  # bytes, unless a stream is asked for
        assert done.exit_code == 0, f"{service}: {text}"
        return text

    def local_addresses(self, router: str) -> set[str]:
        """Read which addresses the kernel has in a router's network namespace."""
        return set(self.python(router, _LOCAL_ADDRESSES).split())

    def active(self) -> list[str]:
        """Say which of the running routers have the virtual address."""
        return [
            router
            for router in ("router-a", "router-b")
            if self.container(router).status == "running"
            and self.virtual_address in self.local_addresses(router)
        ]

    def arrival(self, router: str) -> subprocess.Popen[str]:
        """Watch for the virtual address on a router; prints the time it came (seconds since the epoch)."""
        name = str(self.container(router).name)
        return subprocess.Popen(
            ["docker", "exec", name, "python3", "-c", _WAIT_FOR_ADDRESS, self.virtual_address],
            stdout=subprocess.PIPE,
            text=True,
        )

    def has_ipvs(self) -> bool:
        """Ask the kernel under the engine for IPVS, in a router's own namespace."""
        return self.python("router-a", HAS_IPVS) == "True"

    def health(self, container: Container) -> Health:
        """Read a container's health and what the last check printed."""
        container.reload()
        state = container.attrs["State"].get("Health", {})
        log = state.get("Log") or [{}]
        return Health(state.get("Status", "none"), str(log[-1].get("Output", "")).strip())

    def status(self) -> tuple[int, dict[str, Any]]:
        """Run ``vipbus status --json`` in a container; return its exit status and the report."""
        done = self.compose("run", "--rm", "--no-TTY", "vipbus", "status", "--json", check=False)
        assert done.stdout.startswith("{"), done.stderr[-2000:]
        return done.returncode, json.loads(done.stdout)

    def verdicts(self) -> dict[str, str]:
        """Read every verdict by real server's address, from ``vipbus status``."""
        _, report = self.status()
        return {
            real_server["address"]: real_server["verdict"]
            for virtual_server in report["virtual_servers"]
            for real_server in virtual_server["real_servers"]
        }

    def settle(self) -> None:
        """Wait until router a is active and every container is as healthy as this kernel lets it be."""
        unhealthy = set() if self.has_ipvs() else NEED_IPVS
        eventually(
            lambda: self.active() == ["router-a"], "router a is active", within=_SETTLES_WITHIN, every=0.2
        )
        for service in self.services():
            wanted = "unhealthy" if service in unhealthy else "healthy"
            for container in self.containers(service):
                eventually(
                    lambda container=container, wanted=wanted: self.health(container).status == wanted,  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
                    f"{container.name} is {wanted} (it says {self.health(container)})",
                    within=_SETTLES_WITHIN,
                    every=0.5,
                )


NEED_IPVS = {"router-a-ipvs-programmer", "router-b-ipvs-programmer", "client"}
"""What cannot be healthy on a kernel without IPVS."""


def now() -> float:
    """Read the clock that `Stack.arrival` prints."""
    return time.time()
