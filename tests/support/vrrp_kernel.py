"""Hosts in namespaces of their own, and what vrrp-agent's hands do to their kernels."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.lab.namespace import Namespace, Switch
from tests.support.waiting import eventually
from vipbus.runtime.poller import Poller
from vrrp_agent import writing
from vrrp_agent.announcer import Announcer
from vrrp_agent.firewall import Firewall
from vrrp_agent.interfaces import Interfaces, Monitor
from vrrp_agent.objects import Objects
from vrrp_agent.virtual_mac import VirtualMacs
from vrrp_agent.worker import Worker


class Host:
    """A namespace with the agent's view of it and its hands in it."""

    def __init__(self, name: str) -> None:
        self.namespace = Namespace(f"vk{secrets.token_hex(4)}{name}")
        self.namespace.open(sysctl={"ipv6.conf.all.disable_ipv6": 0, "ipv4.ip_forward": 0})
        writing.load()
        with self.namespace.entered():
            self.monitor = Monitor()
            self.objects = Objects(self.monitor.interfaces)
            self.objects.open()
            self.poller = Poller()
            self.worker = Worker()
            self.worker.submit(lambda: None)  # a thread stays in the namespace that it was started in
            self.announcer = Announcer(self.monitor.interfaces)
            self.macs = VirtualMacs(self.monitor.interfaces, self.worker)
            self.firewall = Firewall(self.worker, self.poller)

    @property
    def interfaces(self) -> Interfaces:
        """The picture as it is now."""
        self.monitor.drain()
        return self.monitor.interfaces

    def ip(self, *arguments: str) -> str:
        """Run iproute2's command in it."""
        return self.namespace.ip(*arguments)

    def json(self, *arguments: str) -> Any:
        """Ask iproute2 in it."""
        return json.loads(self.ip("-json", *arguments) or "[]")

    def settle(self) -> None:
        """Wait until the worker has done what it was asked."""
        done = threading.Event()
        self.worker.submit(done.set)
        assert done.wait(20)

    def mac(self, device: str) -> str:
        """Give a device's hardware address."""
        return str(self.json("link", "show", "dev", device)[0]["address"])

    def neighbour(self, address: str) -> str:
        """Give the hardware address that it believes a neighbour to have."""
        known = [each for each in self.json("neigh", "show") if each["dst"] == address]
        return str(known[0].get("lladdr", "")) if known else ""

    def pings(self, address: str, *more: str) -> bool:
        """Say whether an address answers, within two seconds."""
        output = self.namespace.run("ping", "-c1", "-W2", *more, address, check=False)
        return " 1 received" in output

    def sysctl(self, key: str) -> int:
        """Read one of its switches, by path below /proc/sys/net."""
        return int(self.namespace.run("cat", f"/proc/sys/net/{key}"))

    def sees(self, condition: Any, what: str) -> None:
        """Wait until the picture says something."""
        eventually(lambda: condition(self.interfaces), what)

    def cable(self, name: str, other: Host | None = None, other_name: str = "") -> None:
        """Give it an Ethernet device, plugged into another host's or into one of its own, and both up."""
        end, end_name = other or self, other_name or f"{name}x"
        self.ip("link", "add", name, "type", "veth", "peer", "name", end_name, "netns", end.namespace.name)
        self.ip("link", "set", name, "up")
        end.ip("link", "set", end_name, "up")
        for host, device in ((self, name), (end, end_name)):
            host.sees(
                lambda seen, device=device: (link := seen.link(device)) is not None and link.up,
                f"{device} is up",
            )

    def close(self) -> None:
        """Leave nothing behind."""
        self.worker.finish(10)
        self.objects.close()
        self.announcer.close()
        self.monitor.close()
        self.namespace.close()


class Lan:
    """A switch and hosts whose eth0 is plugged into it."""

    def __init__(self) -> None:
        self.switch = Switch(f"vk{secrets.token_hex(4)}sw")
        self.hosts: list[Host] = []

    def __enter__(self) -> Lan:
        self.switch.open()
        return self

    def __exit__(self, *_: object) -> None:
        for each in self.hosts:
            each.close()
        self.switch.close()

    def host(self, number: int) -> Host:
        """Plug in a host that is 10.50.0.NUMBER and 2001:db8:50::NUMBER."""
        made = Host(f"h{number}")
        self.hosts.append(made)
        self.switch.plug(made.namespace, f"p{number}", f"10.50.0.{number}")
        made.ip("addr", "add", f"2001:db8:50::{number}/64", "dev", "eth0", "nodad")
        made.sees(
            lambda seen: (
                (link := seen.link("eth0")) is not None and link.up and seen.primary("eth0", set(), 6)
            ),
            "eth0 is up and has its link-local address",
        )
        return made


@contextmanager
def host(name: str = "a") -> Iterator[Host]:
    """Make a host for the length of a block."""
    made = Host(name)
    try:
        yield made
    finally:
        made.close()
