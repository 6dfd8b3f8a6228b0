"""A router of compose.yaml in a guest with IPVS, on the engine's own bridges, for kernels that have none.

A tap device stands in each of the three networks; the guest has them as eth0, eth1 and eth2, with the
addresses of the router whose place it takes. Its clients, real servers and bus are the containers.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from types import TracebackType

from tests.compose.stack import ROOT, Stack
from tests.support.waiting import eventually

NETWORKS = ("control", "front", "servers")
_BOOTS_WITHIN = 60.0
_SCRIPT = """
set -e
number=0
for network in 0 1 2; do
    ip link set vec$network name eth$network
    ip link set eth$network up
    ip address add {net}.$network.11/24 dev eth$network
done
sysctl -q -w net.ipv4.ip_forward=1 net.ipv4.vs.conntrack=0
for service in vrrp_agent ipvs_programmer; do
    {python} -P -m $service --bus {bus} --router router-a --state-dir /run/$service \\
        > {directory}/$service.log 2>&1 &
done
while sleep 0.25; do
    ipvsadm --save --numeric > {directory}/table.part
    mv {directory}/table.part {directory}/table
done
"""


class GuestRouter:
    """Takes the place of router-a while the block lasts."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        # the guest has a /tmp of its own
        self._directory = ROOT / "artifacts" / "guest-router"
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir(parents=True)
        self._taps = [f"vbt{os.getpid() % 100000}-{number}" for number in range(len(NETWORKS))]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> GuestRouter:
        """Stop the container and boot the guest in its place."""
        try:
            self._boot()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def _boot(self) -> None:
        stack = self._stack
        stack.compose("stop", "router-a-vrrp-agent", "router-a-ipvs-programmer", "router-a")
        for tap, network in zip(self._taps, NETWORKS, strict=True):
            identity = stack.engine.networks.get(f"{stack.project}_{network}").id
            _ip("tuntap", "add", "dev", tap, "mode", "tap")
            _ip("link", "set", tap, "master", f"br-{str(identity)[:12]}", "up")
        nats = stack.addresses("nats", "control")[0]
        script = _SCRIPT.format(
            net=stack.net, python=sys.executable, bus=f"nats://{nats}:4222", directory=self._directory
        )
        taps = [part for tap in self._taps for part in ("--tap", tap)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.lab.guest", *taps, "--", "sh", "-c", script],
            cwd=ROOT,
            stdout=(self._directory / "guest.log").open("wb"),
            stderr=subprocess.STDOUT,
        )
        eventually(
            lambda: self._runs() and self.table(), "the guest has a table", within=_BOOTS_WITHIN, every=0.2
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Switch the guest off and bring the container back."""
        if error is not None:
            for log in sorted(self._directory.glob("*.log")):
                error.add_note(f"{log.name}:\n{log.read_text()[-3000:]}")
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(30)
        for tap in self._taps:
            subprocess.run(["ip", "link", "del", tap], check=False)
        self._stack.compose("up", "--detach", "--no-build", "--no-recreate")

    def _runs(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "the guest ended"
        return True

    def table(self) -> dict[str, int]:
        """Give the weights of the kernel's destinations for the virtual address, by their address."""
        try:
            text = (self._directory / "table").read_text()
        except OSError:
            return {}
        return {
            address: int(weight)
            for address, weight in re.findall(r"^-a -t \S+ -r (\S+):\d+ .*-w (\d+)", text, re.MULTILINE)
        }


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
