"""A real systemd as the first process of namespaces of its own: its units, its network, its control groups.

Only the units of the test are known to it, with stand-ins for the targets that every unit depends on, so
nothing of the machine is started. /etc and /var/lib are laid over: what is installed and saved goes with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.nats import nats_server_binary
from tests.support.waiting import eventually

SYSTEMD = Path("/usr/lib/systemd/systemd")
_BEGIN = """
set -e
mount --make-rprivate /
mount -t proc proc /proc
umount -l /sys/fs/cgroup || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
mkdir -p /run/systemd/system /run/lock /run/units /run/over /run/work
mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/over,workdir=/run/work /etc
ip link set lo up
ip link add lan type veth peer name far
ip address add 10.9.0.11/24 dev lan
ip link set lan up
ip link set far up
cp {units}/* /run/units/
exec env -i container=test SYSTEMD_UNIT_PATH=/run/units:/etc/systemd/system \\
    PATH=/usr/sbin:/usr/bin:/sbin:/bin {systemd} \\
    --system --unit=default.target --log-target=console --show-status=0
"""
_STANDINS = {
    "default.target": "[Unit]\nAllowIsolate=yes\n",
    **dict.fromkeys(
        ("sysinit.target", "basic.target", "shutdown.target", "network-online.target", "multi-user.target"),
        "[Unit]\nDefaultDependencies=no\n",
    ),
    "modprobe@.service": "[Service]\nType=oneshot\nExecStart=/bin/true\n",
    "bus.service": "[Service]\nExecStart={nats} -a 127.0.0.1 -js -sd /run/bus\n",
}


def require_systemd() -> None:
    """Skip, or fail in CI, where systemd cannot be the first process of a namespace."""
    lacks = "root" if os.geteuid() != 0 else "" if SYSTEMD.exists() else "systemd"
    if lacks:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing(f"there is no {lacks} here")


class Machine:
    """One systemd; use it as a context."""

    def __init__(self, directory: Path) -> None:
        self._log = directory / "systemd.log"
        units = directory / "units"
        units.mkdir()
        for name, text in _STANDINS.items():
            (units / name).write_text(text.format(nats=nats_server_binary()))
        begin = directory / "begin"
        begin.write_text(_BEGIN.format(units=units, systemd=SYSTEMD))
        with self._log.open("wb") as log:
            self._outside = subprocess.Popen(
                ["unshare", "-m", "-p", "-C", "-i", "-u", "-n", "-f", "--kill-child", "sh", str(begin)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            eventually(self._is_up, "systemd answers", within=60)
        except BaseException:
            self._outside.kill()  # and what it has made goes with it
            self._outside.wait()
            raise

    def _is_up(self) -> bool:
        assert self._outside.poll() is None, self.log
        found = Path(f"/proc/{self._outside.pid}/task/{self._outside.pid}/children").read_text().split()
        if not found or "systemd" not in Path(f"/proc/{found[0]}/comm").read_text():
            return False
        self._first = int(found[0])
        return self.run("systemctl", "is-system-running", check=False).stdout.strip() in (
            "running",
            "degraded",
        )

    @property
    def log(self) -> str:
        """What systemd and its services wrote."""
        return self._log.read_text(errors="replace")

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command there."""
        done = subprocess.run(
            ["nsenter", "-t", str(self._first), "-m", "-p", "-n", "-u", "-i", *command],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, (command, done.stdout, done.stderr, self.log[-5000:])
        return done

    def vipbus(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the command under test there."""
        return self.run(sys.executable, "-P", "-m", "ctl", *arguments, check=check)

    def shows(self, unit: str, name: str) -> str:
        """Ask for one property of a unit."""
        return self.run("systemctl", "show", "--value", "-p", name, unit).stdout.strip()

    def write(self, path: str, text: str) -> None:
        """Write a file there."""
        self.run("sh", "-c", 'mkdir -p "${0%/*}" && printf %s "$1" > "$0"', path, text)

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_: object) -> None:
        if self._outside.poll() is None:
            os.kill(self._first, signal.SIGKILL)  # and with the first process go all others
            self._outside.wait(30)
