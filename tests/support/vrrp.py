"""Routers on a bridge of their own, each running vrrp-agent or keepalived; no IPVS is needed."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from tests.lab.namespace import Namespace, Switch
from tests.support.config import publish_config_on
from tests.support.nats import free_port, nats_server_binary
from tests.support.waiting import eventually
from vipbus.bus import Bus, BusAddress
from vipbus.contracts import ROLE, Role, VirtualAddress, VrrpConfiguration, VrrpInstance, VrrpSettings
from vrrp_agent import saved

T = TypeVar("T")

VIP = "10.88.0.100"
needs_root = pytest.mark.skipif(
    os.geteuid() != 0 and not os.environ.get("CI"), reason="network namespaces need root"
)


def instance(router: str, **changes: Any) -> VrrpInstance:
    """Make an instance on eth0 with one address; keywords replace its settings."""
    base = VrrpInstance(
        router=router,
        name="VI_1",
        interface="eth0",
        virtual_router_id=51,
        virtual_ipaddress=(VirtualAddress(address=VIP, prefix=24, dev="eth0"),),
    )
    return msgspec.structs.replace(base, **changes)


def keepalived_conf(config: VrrpInstance) -> str:
    """Write an instance as keepalived reads it."""
    addresses = "\n".join(
        f"    {each.address}/{each.prefix} dev {each.dev}" for each in config.virtual_ipaddress
    )
    return f"""\
global_defs {{
  router_id {config.router}
  vrrp_version {config.version}
}}
vrrp_instance {config.name} {{
  state {config.state}
  interface {config.interface}
  virtual_router_id {config.virtual_router_id}
  priority {config.priority}
  advert_int {config.advert_int:g}
  {"nopreempt" if config.nopreempt else ""}
  virtual_ipaddress {{
{addresses}
  }}
}}
"""


class Router:
    """One router of the test network."""

    def __init__(self, network: Network, name: str, number: int) -> None:
        self.name = name
        self.address = f"10.88.0.{number}"
        self.namespace = Namespace(f"{network.prefix}{name}")
        self.directory = network.directory / name
        self.directory.mkdir()
        self.log = self.directory / "log"
        self.bus_url = "nats://127.0.0.1:1"
        self._port = f"p{number}"
        self._network = network
        self._process: subprocess.Popen[bytes] | None = None
        self._bus_port = 0
        self._bus: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"Router({self.name})"

    def open(self) -> None:
        """Plug it in."""
        # a router that forwards would hide that a client still sends to the wrong one
        self.namespace.open(sysctl={"ipv4.ip_forward": 0})
        self._network.switch.plug(self.namespace, self._port, self.address)

    # ---- what it runs

    def save(self, *instances: VrrpInstance) -> None:
        """Leave a configuration as the agent saves it: it runs without a bus."""
        saved.save(
            self.directory,
            VrrpConfiguration(
                router=self.name,
                revision=1,
                settings=VrrpSettings(router=self.name),
                instances=instances,
            ),
        )

    def save_text(self, text: str, name: str = "k.conf") -> None:
        """Leave what a configuration file says, as config-service and the agent save it."""
        from config_service.load import load  # noqa: PLC0415  # for those who have a file
        from vipbus.runtime.revision import vrrp_configuration  # noqa: PLC0415
        from vipbus.runtime.secrets import Secrets  # noqa: PLC0415

        file = self.directory / name
        file.write_text(text)
        secrets = Secrets.open(self.directory)
        found = load(file, self.name, secrets)
        secrets.save(found.references)
        saved.save(self.directory, vrrp_configuration(self.name, 1, found.entities))

    def start(self, **environment: str) -> None:
        """Start vrrp-agent."""
        self._process = self.namespace.spawn(
            [
                sys.executable,
                *("-m", "vrrp_agent", "--router", self.name),
                *("--state-dir", str(self.directory), "--bus", self.bus_url),
            ],
            self.log,
            environment,
        )

    def start_keepalived(self, config: VrrpInstance) -> None:
        """Start keepalived's VRRP child alone, in the foreground."""
        self.start_keepalived_on(keepalived_conf(config), "-D")

    def start_keepalived_on(self, text: str, *options: str) -> None:
        """As `start_keepalived`, on a whole configuration, and with more or fewer details in its log."""
        conf = self.directory / "keepalived.conf"
        conf.write_text(text)
        # it does not start beside the file of a dead one that nobody has reaped yet
        for kind in ("pid", "vrrp_pid"):
            (self.directory / kind).unlink(missing_ok=True)
        files = [f"--{kind}={self.directory / kind}" for kind in ("pid", "vrrp_pid")]
        self._process = self.namespace.spawn(
            ["keepalived", "-f", str(conf), *files, "-n", "-l", *options, "--vrrp"], self.log
        )

    def start_bus(self) -> None:
        """Start a nats-server on this router's loopback."""
        self._bus_port = free_port()
        self.bus_url = f"nats://127.0.0.1:{self._bus_port}"
        self.restart_bus()

    def restart_bus(self) -> None:
        """Start it again on the same port and store."""
        store = self.directory / "js"
        self._bus = self.namespace.spawn(
            [nats_server_binary(), "-a", "127.0.0.1", "-p", str(self._bus_port), "-js", "-sd", str(store)],
            self.directory / "nats.log",
        )

    def kill_bus(self) -> None:
        """Kill -9 its nats-server."""
        assert self._bus is not None
        self._bus.kill()
        self._bus.wait()

    def kill(self) -> None:
        """Kill -9 what it runs."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to what it runs."""
        assert self._process is not None
        self._process.send_signal(number)

    def terminate(self) -> None:
        """Ask what it runs to stop."""
        self.signal(signal.SIGTERM)

    def exit_status(self, within: float = 6.0) -> int:
        """Wait until what it runs has ended."""
        assert self._process is not None
        return self._process.wait(within)

    def crash(self) -> None:
        """Cut it off, then kill -9 everything in it at once: keepalived's child outlives its parent else."""
        self.cut_off()
        self.namespace.kill_all()
        if self._process is not None:
            self._process.wait()

    @property
    def pid(self) -> int:
        """Of what it runs."""
        assert self._process is not None
        return self._process.pid

    def cut_off(self) -> None:
        """Pull its cable."""
        self._network.switch.link(self._port, "down")

    @property
    def port(self) -> str:
        """The switch's end of its cable."""
        return self._port

    def restore(self) -> None:
        """Plug its cable in again."""
        self._network.switch.link(self._port, "up")

    # ---- what can be asked

    def holds(self, address: str = VIP) -> bool:
        """Say whether an address is on its eth0."""
        return f" {address}/" in self.namespace.ip("-4", "-o", "addr", "show", "dev", "eth0")

    def output(self) -> str:
        """What it has logged."""
        return self.log.read_text(errors="replace")

    def on_bus(self, work: Callable[[Bus], Coroutine[Any, Any, T]]) -> T:
        """Do something with a connection to its bus, from inside its namespace."""

        async def connected() -> T:
            bus = Bus(BusAddress(url=self.bus_url), source="test")
            bus.start()
            try:
                await bus.usable(30)
                return await work(bus)
            finally:
                await bus.close()

        with self.namespace.entered():
            return asyncio.run(asyncio.wait_for(connected(), 30))

    def publish(self, *instances: VrrpInstance) -> None:
        """Make these its configuration, over its bus."""
        self.on_bus(lambda bus: publish_config_on(bus, instances, self.name))

    def role(self, name: str = "vi_1") -> Role | None:
        """Read an instance's role from its bus."""

        async def read(bus: Bus) -> Role | None:
            _, body = await bus.revision(ROLE, f"{self.name}.{name}")
            return msgspec.json.decode(body, type=Role) if body else None

        return self.on_bus(read)


class Network:
    """A switch and its routers; a context that leaves nothing behind."""

    def __init__(self, directory: Path, label: str = "") -> None:
        """``label`` tells several networks of one process apart."""
        self.directory = directory
        self.prefix = f"vr{secrets.token_hex(4)}{label}"
        self.switch = Switch(f"{self.prefix}sw")
        self.routers: list[Router] = []

    def __enter__(self) -> Network:
        self.switch.open()
        return self

    def __exit__(self, *_: object) -> None:
        for router in self.routers:
            router.namespace.close()
        self.switch.close()

    def router(self, name: str) -> Router:
        """Add a router."""
        router = Router(self, name, len(self.routers) + 1)
        self.routers.append(router)
        router.open()
        return router

    def holder(self) -> Router | None:
        """Give the one router that holds the address; None when none or several do."""
        holding = [router for router in self.routers if router.holds()]
        return holding[0] if len(holding) == 1 else None

    def held_by(self, router: Router, within: float) -> float:
        """Wait until a router alone holds the address; return the seconds that it took."""
        return eventually(lambda: self.holder() is router, f"{router.name} alone holds {VIP}", within=within)
