"""VRRP and ARP as they crossed the switch, and what tshark says of them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests.lab.namespace import BRIDGE, Namespace, command
from tests.support.waiting import eventually

_numbers = count(1)
_TCPDUMP = ("tcpdump", "-i", BRIDGE, "--immediate-mode", "-U", "-Z", "root")
_WARNING = 0x00600000
"""PI_WARN, epan/proto.h."""
_BAD = f"_ws.malformed || (vrrp && _ws.expert.severity >= {_WARNING})"
"""Malformed, or warned of by the VRRP dissector, as of a wrong checksum. Of ARP it warns whenever an address
moved, so there only what is malformed counts."""


def _packets(pcap: bytes) -> int:
    """Count the whole records of a file (pcap-savefile(5), native order)."""
    at, number = 24, 0
    while at + 16 <= len(pcap):
        at += 16 + int.from_bytes(pcap[at + 8 : at + 12], sys.byteorder)
        number += at <= len(pcap)
    return number


@dataclass(frozen=True)
class Advertisement:
    """One VRRP advertisement on the wire."""

    time: float
    source: str
    virtual_router_id: int
    priority: int
    version: int


class Capture:
    """A tcpdump on the switch's bridge."""

    def __init__(self, switch: Namespace, directory: Path, what: str = "vrrp or arp") -> None:
        """``what`` is recorded, as pcap-filter(7) says it."""
        self._switch = switch
        self._what = what
        self.path = directory / f"capture-{next(_numbers)}.pcap"
        self._log = self.path.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Record from now on."""
        self._process = self._switch.spawn([*_TCPDUMP, "-w", str(self.path), self._what], self._log)
        eventually(lambda: b"listening on" in self._log.read_bytes(), "tcpdump listens")

    def stop(self) -> None:
        """End the recording."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def holds(self, number: int) -> None:
        """Wait until so many packets are recorded: one on its way to the file is lost by a stop."""
        eventually(lambda: _packets(self.path.read_bytes()) >= number, f"{number} packets are recorded")

    def malformed(self) -> str:
        """Give the packets that tshark finds fault with, one a line; empty is good."""
        return command("tshark", "-n", "-r", str(self.path), "-Y", _BAD)

    def fields(self, *names: str) -> list[tuple[str, ...]]:
        """Give these fields of every VRRP packet, in the order of the wire (tshark -e)."""
        arguments = [part for name in names for part in ("-e", name)]
        printed = command("tshark", "-n", "-r", str(self.path), "-Y", "vrrp", "-T", "fields", *arguments)
        return [tuple(line.split("\t")) for line in printed.splitlines()]

    def advertisements(self) -> list[Advertisement]:
        """Give every advertisement in the order of the wire."""
        fields = ("frame.time_epoch", "ip.src", "vrrp.virt_rtr_id", "vrrp.prio", "vrrp.version")
        return [
            Advertisement(float(time), source, int(vrid), int(priority), int(version))
            for time, source, vrid, priority, version in self.fields(*fields)
        ]

    def masters(self, virtual_router_id: int) -> list[str]:
        """Name who advertised, one entry a reign: two masters at a time would alternate here."""
        reigns: list[str] = []
        for advertisement in self.advertisements():
            if advertisement.virtual_router_id == virtual_router_id and advertisement.source != (
                reigns[-1] if reigns else None
            ):
                reigns.append(advertisement.source)
        return reigns
