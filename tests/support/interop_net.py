"""A few hosts on one or two bridges, both families on: whatever speaks VRRP may run on them."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from tests.lab.namespace import ENVIRONMENT, Namespace, Switch
from tests.support.echo import unanswered
from tests.support.waiting import eventually

_BOTH_FAMILIES: Final = {
    # a router that forwards would hide that a client still sends to the wrong one
    "ipv4.ip_forward": 0,
    "ipv6.conf.all.disable_ipv6": 0,
    "ipv6.conf.default.disable_ipv6": 0,
    # else no address of the host is usable before a second has passed
    "ipv6.conf.all.accept_dad": 0,
    "ipv6.conf.default.accept_dad": 0,
    "ipv6.conf.default.accept_ra": 0,
}
_ETH_P_ALL: Final = 3
"""linux/if_ether.h."""


def address_of(lan: int, family: int, number: int) -> str:
    """Give the address that a host, or whatever has a number, has on a bridge."""
    return f"10.{88 + lan}.0.{number}" if family == 4 else f"fd00:{88 + lan}::{number}"


class Host:
    """One host; its interface on bridge N is ethN."""

    def __init__(self, networks: Networks, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.namespace = Namespace(f"{networks.prefix}{name}")
        self.directory = networks.directory / name
        self._lans = networks.lans
        self._port = f"p{number}"

    def open(self) -> None:
        """Plug it in."""
        self.directory.mkdir(parents=True)
        self.namespace.open(sysctl=_BOTH_FAMILIES)
        for number, lan in enumerate(self._lans):
            device = f"eth{number}"
            lan.ip("link", "add", self._port, "type", "veth", "peer", device, "netns", self.namespace.name)
            lan.ip("link", "set", self._port, "master", "br0", "up")
            for family, length in ((4, 24), (6, 64)):
                address = address_of(number, family, self.number)
                self.namespace.ip("addr", "add", f"{address}/{length}", "dev", device)
            self.namespace.ip("link", "set", device, "up")
        self._wait_for_links()

    def cut_off(self, *lans: int) -> None:
        """Pull its cables, or those to some of the bridges."""
        for number in lans or range(len(self._lans)):
            self._lans[number].ip("link", "set", self._port, "down")

    def plug_in(self, *lans: int) -> None:
        """Plug its cables in again."""
        for number in lans or range(len(self._lans)):
            self._lans[number].ip("link", "set", self._port, "up")

    def isolate(self, isolated: bool) -> None:
        """Keep it from hearing other isolated hosts, or no longer; its carrier stays."""
        state = "on" if isolated else "off"
        for lan in self._lans:
            lan.run("bridge", "link", "set", "dev", self._port, "isolated", state)

    def crash(self) -> None:
        """Stop everything in it between two instructions: nothing more gets out of it."""
        for pid in self.namespace.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        self.cut_off()
        self.namespace.kill_all()

    def boot(self, virtual: Iterable[str]) -> None:
        """Take off what a machine that starts anew does not have, and plug it in."""
        gone = set(virtual)
        lines = [
            f"addr del {one['local']}/{one['prefixlen']} dev {link['ifname']}"
            for link in self._links()
            for one in link["addr_info"]
            if one["local"] in gone
        ]
        lines += [
            f"link del {link['ifname']}"
            for link in self._links()
            if link.get("linkinfo", {}).get("info_kind") == "macvlan"
        ]
        self._batch(lines)
        self.plug_in()
        self._wait_for_links()

    def _wait_for_links(self) -> None:
        """Wait until every interface has its carrier and its own IPv6 address."""

        def ready() -> bool:
            return all(
                link["operstate"] == "UP" and any(one["scope"] == "link" for one in link["addr_info"])
                for link in self._links()
                if link["ifname"].startswith("eth")
            )

        eventually(ready, f"the interfaces of {self.name} are up", every=0.05)

    def addresses(self) -> dict[str, str]:
        """Give every address in it with the hardware address of its device."""
        return {
            one["local"]: link.get("address", "")
            for link in self._links()
            for one in link["addr_info"]
            if "local" in one
        }

    def devices(self) -> set[str]:
        """Name its interfaces."""
        return {link["ifname"] for link in self._links()}

    def _links(self) -> list[dict[str, Any]]:
        links: list[dict[str, Any]] = json.loads(self.namespace.ip("-json", "-details", "addr") or "[]")
        return [link for link in links if link]

    def _batch(self, lines: Sequence[str]) -> None:
        arguments = ["ip", "-n", self.namespace.name, "-force", "-batch", "-"]
        text = "".join(f"{line}\n" for line in lines)
        subprocess.run(arguments, input=text, text=True, capture_output=True, check=False, env=ENVIRONMENT)

    # ---- as a neighbour of the routers

    def neighbours(self) -> dict[str, str]:
        """Give the hardware address that it has for each neighbour."""
        entries = json.loads(self.namespace.ip("-json", "neigh") or "[]")
        return {entry["dst"]: entry["lladdr"] for entry in entries if "lladdr" in entry}

    def sniffer(self) -> socket.socket:
        """Open a socket, without a wait, that takes every frame at the other end of its first cable."""
        with self._lans[0].entered():
            found = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        found.bind((self._port, _ETH_P_ALL))
        found.setblocking(False)
        return found

    def raw_socket(self) -> socket.socket:
        """Open a socket in it that sends whole IPv4 packets."""
        with self.namespace.entered():
            return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)

    def unanswered(self, addresses: Iterable[str]) -> set[str]:
        """Ping addresses, all at once; give those that do not answer."""
        return unanswered(self.namespace, addresses)


class Networks:
    """One or two bridges and the hosts on them; a context that leaves nothing behind."""

    def __init__(self, directory: Path, prefix: str, lans: int = 1) -> None:
        self.directory = directory
        self.prefix = prefix
        self.lans = tuple(Switch(f"{prefix}sw{number}") for number in range(lans))
        self.hosts: list[Host] = []

    def __enter__(self) -> Networks:
        for lan in self.lans:
            lan.open()
        return self

    def __exit__(self, *_: object) -> None:
        for host in self.hosts:
            host.namespace.close()
        for lan in self.lans:
            lan.close()

    def host(self, name: str) -> Host:
        """Add a host."""
        host = Host(self, name, len(self.hosts) + 1)
        self.hosts.append(host)
        host.open()
        return host


@contextlib.contextmanager
def networks(directory: Path, prefix: str, lans: int = 1) -> Iterator[Networks]:
    """Open bridges."""
    with Networks(directory, f"ix{secrets.token_hex(4)}{prefix}", lans) as made:
        yield made
