"""keepalived and vrrp-agent: started from the same text, asked for the same things."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

from config_service.load import load
from tests.support.interop_net import Host
from tests.support.interop_side import Kind, Role, Side
from tests.support.waiting import eventually
from vipbus.runtime.revision import vrrp_configuration
from vipbus.runtime.secrets import Secrets
from vrrp_agent import saved

_JSON_DUMP: Final = signal.SIGRTMIN + 2
"""keepalived --signum=JSON."""
_METRICS_PORT: Final = 9650
_LEFT: Final = re.compile(r" (\S+) is active: \S+ left$", re.MULTILINE)
_BAD: Final = {
    "vipbus_vrrp_packets_dropped_total",
    "vipbus_vrrp_advertisements_dropped_total",
    "vipbus_vrrp_address_list_mismatches_total",
}
"""Counters that stay at 0 between two routers that understand each other."""


class Keepalived(Side):
    """keepalived's VRRP child in the foreground; its files stand in the host's directory by TMPDIR."""

    kind = "keepalived"
    _said = re.compile(r"\((\S+)\) entering (MASTER|BACKUP|FAULT) STATE", re.IGNORECASE)
    _unpleasant = re.compile(
        r"invalid|bogus|mismatch|incorrect|checksum|drop|unexpected|expected|wrong|unknown|error",
        re.IGNORECASE,
    )

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        # the devices of IPv6 virtual MACs answer ARP for all that the host holds (2.2.7)
        host.namespace.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore")

    def start(self, text: str) -> None:
        directory = self.host.directory
        (directory / "keepalived.conf").write_text(text)
        files = {kind: directory / kind for kind in ("pid", "vrrp_pid")}
        for file in files.values():  # it does not start beside the file of a dead one
            file.unlink(missing_ok=True)
        options = [f"--{kind}={file}" for kind, file in files.items()]
        self._spawn(
            [
                *("keepalived", "-f", str(directory / "keepalived.conf")),
                *(*options, "-n", "-l", "-D", "--vrrp"),
            ]
        )

    def _role(self, word: str) -> Role:
        roles: dict[str, Role] = {"MASTER": "active", "BACKUP": "backup", "FAULT": "fault"}
        return roles[word]

    def statistics(self) -> dict[str, dict[str, int]]:
        """Let it write its counters; give them by instance."""
        assert self._process is not None
        written = self.host.directory / "keepalived.json"
        written.unlink(missing_ok=True)
        os.kill(self._process.pid, _JSON_DUMP)
        found: list[dict[str, Any]] = []

        def whole() -> bool:
            try:
                found[:] = json.loads(written.read_bytes())
            except (FileNotFoundError, ValueError):
                return False
            return True

        eventually(whole, "keepalived writes its statistics")
        return {one["data"]["iname"]: one["stats"] for one in found}

    def complaints(self) -> list[str]:
        counted = [
            f"{name}: {counter} {value}"
            for name, counters in self.statistics().items()
            for counter, value in counters.items()
            if value and ("err" in counter or "invalid" in counter or "auth" in counter)
        ]
        said = [line for line in self.log.read_text().splitlines() if self._unpleasant.search(line)]
        return [f"{self}: {one}" for one in (*counted, *said)]

    def received(self) -> Mapping[str, int]:
        return {name: counters["advert_rcvd"] for name, counters in self.statistics().items()}

    def farewells(self) -> Mapping[str, int]:
        return {name: counters["pri_zero_rcvd"] for name, counters in self.statistics().items()}


class Vipbus(Side):
    """vrrp-agent, without a bus, with the file's meaning as its saved state."""

    kind = "vipbus"
    _said = re.compile(r" (\S+) is (?:in )?(active|backup|fault|stopped): ")

    def start(self, text: str) -> None:
        directory = self.host.directory
        (directory / "keepalived.conf").write_text(text)
        secrets = Secrets.open(directory)
        meant = load(directory / "keepalived.conf", None, secrets)
        secrets.save(meant.references)
        saved.save(directory, vrrp_configuration(meant.router, 1, meant.entities))
        self._spawn(
            [
                # of many real-time routers on one machine those that start would starve those that run
                *("setpriv", "--bounding-set=-sys_nice", sys.executable, "-m", "vrrp_agent"),
                *("--router", meant.router),
                *("--state-dir", str(directory), "--bus", "nats://127.0.0.1:1"),
                *("--listen", f"127.0.0.1:{_METRICS_PORT}"),
            ]
        )

    def _role(self, word: str) -> Role:
        assert word in ("active", "backup", "fault", "stopped")
        return word  # type: ignore[return-value]  # one of them, as the pattern says

    def metrics(self) -> Iterable[tuple[str, dict[str, str], float]]:
        """Give its metrics: name, labels, value."""
        found: list[str] = []

        def answered() -> bool:
            try:
                with (
                    self.host.namespace.entered(),
                    urllib.request.urlopen(f"http://127.0.0.1:{_METRICS_PORT}/metrics", timeout=5) as answer,
                ):
                    found.append(answer.read().decode())
            except urllib.error.URLError:  # it answers a moment after it began to elect
                return False
            return True

        eventually(answered, "vrrp-agent gives its metrics", every=0.1)
        text = found[-1]
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                yield sample.name, sample.labels, sample.value

    def dropped(self, instance: str, reason: str) -> int:
        """Count the packets for an instance that it dropped for a reason."""
        wanted = {"instance": instance, "reason": reason}
        return sum(
            int(value)
            for name, labels, value in self.metrics()
            if name == "vipbus_vrrp_advertisements_dropped_total" and labels == wanted
        )

    def complaints(self) -> list[str]:
        counted = [
            f"{name} {labels} {value:g}"
            for name, labels, value in self.metrics()
            # an identifier that no instance has there: on a virtual MAC's device those of all others
            if value and name in _BAD and labels.get("reason") != "vrid"
        ]
        said = [line for line in self.log.read_text().splitlines() if "Traceback" in line or " ERROR" in line]
        return [f"{self}: {one}" for one in (*counted, *said)]

    def received(self) -> Mapping[str, int]:
        wanted = "vipbus_vrrp_advertisements_received_total"
        return {
            labels["instance"]: int(value)
            for name, labels, value in self.metrics()
            if name == wanted and labels
        }

    def farewells(self) -> Mapping[str, int]:
        # it says so when it takes over; there is no counter
        return Counter(_LEFT.findall(self.log.read_text()))


def side(kind: Kind, host: Host) -> Side:
    """Make a router of a kind."""
    return Vipbus(host) if kind == "vipbus" else Keepalived(host)
