"""VRRP and ARP as they crossed the switch, and what tshark says of them."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests.lab.namespace import BRIDGE, Namespace, command
from tests.support.waiting import eventually

_numbers = count(1)
_WARNING = 0x00600000
"""PI_WARN, epan/proto.h."""
_BAD = f"_ws.malformed || (vrrp && _ws.expert.severity >= {_WARNING})"
"""Malformed, or warned of by the VRRP dissector, as of a wrong checksum. Of ARP it warns whenever an address
moved, so there only what is malformed counts."""


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

    def __init__(self, switch: Namespace, directory: Path) -> None:
        self._switch = switch
        self.path = directory / f"capture-{next(_numbers)}.pcap"
        self._log = self.path.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Record from now on."""
        self._process = self._switch.spawn(
            ["tcpdump", "-i", BRIDGE, "-U", "-Z", "root", "-w", str(self.path), "vrrp or arp"], self._log
        )
        eventually(lambda: b"listening on" in self._log.read_bytes(), "tcpdump listens")

    def stop(self) -> None:
        """End the recording."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def malformed(self) -> str:
        """Give the packets that tshark finds fault with, one a line; empty is good."""
        return command("tshark", "-n", "-r", str(self.path), "-Y", _BAD)

    def advertisements(self) -> list[Advertisement]:
        """Give every advertisement in the order of the wire."""
        fields = ("frame.time_epoch", "ip.src", "vrrp.virt_rtr_id", "vrrp.prio", "vrrp.version")
        arguments = [part for field in fields for part in ("-e", field)]
        printed = command("tshark", "-n", "-r", str(self.path), "-Y", "vrrp", "-T", "fields", *arguments)
        return [
            Advertisement(float(time), source, int(vrid), int(priority), int(version))
            for time, source, vrid, priority, version in (line.split("\t") for line in printed.splitlines())
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
