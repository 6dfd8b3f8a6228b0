"""Nodes on a bridge, of both families; this process hears and speaks on their interfaces."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from tests.lab.capture import Capture
from tests.lab.namespace import Namespace, Switch
from tests.support.waiting import eventually
from vipbus.contracts import VrrpInstance
from vipbus.runtime.poller import Poller
from vrrp_agent import metrics
from vrrp_agent.drop import Drop
from vrrp_agent.expected import Expected
from vrrp_agent.packet import Advertisement
from vrrp_agent.speaker import Speaker
from vrrp_agent.wire import Wire

_SYSCTL = {
    "ipv6.conf.all.disable_ipv6": 0,
    "ipv6.conf.default.disable_ipv6": 0,
    "ipv6.conf.default.addr_gen_mode": 1,
    "ipv6.conf.default.accept_dad": 0,
    "ipv6.conf.default.accept_ra": 0,
}
"""Addresses are given, none is made up and none is tentative."""
_numbers = count(1)


class Node:
    """One host; its interface is eth0."""

    def __init__(self, switch: Switch, name: str, number: int) -> None:
        self.namespace = Namespace(f"{switch.name[:-2]}{name}")
        self.addresses = {4: f"10.88.0.{number}", 6: f"fe80::{number}"}
        self.global_address = f"fd88::{number}"
        self.port = f"p{number}"
        self.stations: list[Station] = []
        self._switch = switch

    def open(self) -> None:
        """Plug it in."""
        self.namespace.open(sysctl=_SYSCTL)
        self.plug()

    def plug(self) -> None:
        """Give it an eth0."""
        self._switch.plug(self.namespace, self.port, self.addresses[4])
        self.namespace.ip("addr", "add", f"{self.addresses[6]}/64", "dev", "eth0", "nodad")
        self.namespace.ip("addr", "add", f"{self.global_address}/64", "dev", "eth0", "nodad")

    def index(self, device: str = "eth0") -> int:
        """The index of a device."""
        with self.namespace.entered():
            return socket.if_nametoindex(device)

    def macvlan(self, name: str, mac: str) -> None:
        """Add a device with a virtual MAC as keepalived does: private mode, no address of its own."""
        self.namespace.ip(
            *(
                "link",
                "add",
                "link",
                "eth0",
                "name",
                name,
                "address",
                mac,
                "type",
                "macvlan",
                "mode",
                "private",
            )
        )
        self.namespace.ip("link", "set", name, "up")


class Station:
    """What an agent has on one device of a node: a wire, and instances that hear and speak on it."""

    def __init__(self, node: Node, family: int = 4, device: str = "eth0") -> None:
        self.node = node
        node.stations.append(self)
        self.device = device
        self.wire = Wire(device, 6 if family == 6 else 4, Poller())
        self.heard: dict[str, list[Advertisement]] = {}
        self._dropped: dict[tuple[str, Drop], float] = {}
        self._stray: dict[Drop, float] = {
            reason: metrics.PACKETS_DROPPED.value(interface=device, reason=reason.value) for reason in Drop
        }

    def take_part(self, config: VrrpInstance, secrets: dict[str, str] | None = None) -> str:
        """Hear for an instance from now on; return its token, another one each time."""
        expected = Expected.of(config, secrets or {})
        assert expected.problem == ""
        token = f"station-{next(_numbers)}"
        self.heard[token] = []
        self.wire.expect(token, expected, self.heard[token].append)
        self.listen()
        return token

    def close(self) -> None:
        """Take part in nothing any more."""
        for token in self.heard:
            self.wire.dismiss(token)

    def listen(self) -> None:
        """Open, or open again after a change."""
        with self.node.namespace.entered():
            self.wire.open(self.node.index(self.device))

    def speaker(self, token: str, device: str = "", source: str | None = None) -> Speaker:
        """Give what an instance speaks with, through another device if one is named."""
        device = device or self.device
        with self.node.namespace.entered():
            address = source or self.node.addresses[self.wire.family]
            return self.wire.speak(token, device, self.node.index(device), address)

    def hears(self, token: str, number: int = 1) -> list[Advertisement]:
        """Wait until an instance has heard so many advertisements in all; give them."""

        def enough() -> bool:
            self.wire.hear()
            return len(self.heard[token]) >= number

        eventually(enough, f"{token} hears {number} advertisements")
        return self.heard[token]

    def dropped(self, token: str) -> dict[str, int]:
        """Count what was dropped for an instance, by reason."""
        counts = {
            each: metrics.ADVERTISEMENTS_DROPPED.value(instance=token, reason=each.value) for each in Drop
        }
        return {reason.value: int(number) for reason, number in counts.items() if number}

    def stray(self) -> dict[str, int]:
        """Count what was dropped for no instance since the beginning, by reason."""
        counts = {
            each: metrics.PACKETS_DROPPED.value(interface=self.device, reason=each.value) - before
            for each, before in self._stray.items()
        }
        return {reason.value: int(number) for reason, number in counts.items() if number}


class Link:
    """A switch and its nodes; a context that leaves nothing behind."""

    def __init__(self, directory: Path) -> None:
        self.switch = Switch(f"vw{secrets.token_hex(4)}sw")
        self.nodes: list[Node] = []
        self._directory = directory

    def __enter__(self) -> Link:
        self.switch.open()
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            for station in node.stations:
                station.close()
            node.namespace.close()
        self.switch.close()

    def node(self, name: str) -> Node:
        """Add a node."""
        node = Node(self.switch, name, len(self.nodes) + 1)
        self.nodes.append(node)
        node.open()
        return node

    @contextmanager
    def captured(self) -> Iterator[Capture]:
        """Record what crosses the switch, of both families, for the length of a block."""
        recording = Capture(self.switch, self._directory, "ip proto 112 or ip6 proto 112")
        recording.start()
        try:
            yield recording
        finally:
            recording.stop()
