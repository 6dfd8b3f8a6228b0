"""A network namespace of the lab, what runs in it, and its cable to the switch."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.support.waiting import eventually

BRIDGE = "br0"
_RUN = Path("/run/netns")
_CLONE_NEWNET = 0x40000000  # linux/sched.h
_libc = ctypes.CDLL(None, use_errno=True)
ENVIRONMENT = {
    "PATH": f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": os.environ.get("HOME", "/root"),
    "LC_ALL": "C.UTF-8",
    "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
}


class Namespace:
    """One node of the network; a context: leaving it ends everything that runs in it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def open(self, *, sysctl: Mapping[str, int] | None = None) -> None:
        """Make it, with loopback up and IPv6 silent."""
        command("ip", "netns", "add", self.name)
        try:
            self._prepare(sysctl or {})
        except BaseException:
            self.close()
            raise

    def _prepare(self, sysctl: Mapping[str, int]) -> None:
        settings = {"ipv6.conf.all.disable_ipv6": 1, "ipv4.conf.all.rp_filter": 0, **sysctl}
        writes = [f"echo {value} > /proc/sys/net/{key.replace('.', '/')}" for key, value in settings.items()]
        self.run("sh", "-ec", "\n".join(writes))
        self.ip("link", "set", "lo", "up")

    def close(self) -> None:
        """Kill what runs in it and remove it; the cables go with it."""
        if (_RUN / self.name).exists():
            self.kill_all()
            command("ip", "netns", "del", self.name)

    def ip(self, *arguments: str) -> str:
        """Run iproute2's command in it."""
        return command("ip", "-n", self.name, *arguments)

    def run(self, *arguments: str, check: bool = True) -> str:
        """Run a program in it and give its output."""
        return command("ip", "netns", "exec", self.name, *arguments, check=check)

    def spawn(
        self, arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program in it; its output is appended to a log."""
        with log.open("ab") as output:
            return subprocess.Popen(
                ["ip", "netns", "exec", self.name, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**ENVIRONMENT, **(environment or {})},
                start_new_session=True,
            )

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Make this thread's new sockets stand in it, for the length of a block."""
        with open("/proc/thread-self/ns/net") as home, (_RUN / self.name).open() as there:  # noqa: PTH123  # a way back
            _set_namespace(there.fileno())
            try:
                yield
            finally:
                _set_namespace(home.fileno())

    def pids(self) -> list[int]:
        """List the processes that run in it, parents before children (by age)."""
        inside = (_RUN / self.name).stat().st_ino
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if (entry / "ns/net").stat().st_ino == inside:
                        found.append(int(entry.name))
                except OSError:
                    continue  # it ended meanwhile, or is a zombie
        return sorted(found)

    def kill_all(self) -> None:
        """Kill -9 everything in it at once, and again what was started in between."""

        def none_left() -> bool:
            pids = self.pids()
            # all are frozen first: a child that is told of its parent's death would still say goodbye
            for number in (signal.SIGSTOP, signal.SIGKILL):
                for pid in pids:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, number)
            return not pids

        eventually(none_left, f"everything in {self.name} is dead", every=0.005)


def _set_namespace(descriptor: int) -> None:
    # os.setns is there from Python 3.12 on
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def command(*arguments: str, check: bool = True) -> str:
    """Run a program and give its output; a failure says what the program said."""
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, env=ENVIRONMENT)
    if check:
        assert done.returncode == 0, f"{' '.join(arguments)}: exit {done.returncode}: {done.stderr.strip()}"
    return done.stdout


class Switch(Namespace):
    """The bridge that every node's eth0 is plugged into, in a namespace where nothing else runs."""

    def open(self, *, sysctl: Mapping[str, int] | None = None) -> None:
        """Make the bridge: no spanning tree, multicast to every port."""
        super().open(sysctl=sysctl)
        self.ip("link", "add", BRIDGE, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
        self.ip("link", "set", BRIDGE, "up")

    def plug(self, node: Namespace, port: str, address: str) -> None:
        """Give a node its eth0 with an address; the switch's end of the cable has the port's name."""
        self.ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", node.name)
        self.ip("link", "set", port, "master", BRIDGE, "up")
        node.ip("addr", "add", f"{address}/24", "dev", "eth0")
        node.ip("link", "set", "eth0", "up")

    def link(self, port: str, state: str) -> None:
        """Pull a cable (``down``) or plug it in (``up``)."""
        self.ip("link", "set", port, state)
