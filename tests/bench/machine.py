"""The machine that a figure was measured on, and how busy it was meanwhile."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from importlib.metadata import version
from pathlib import Path


def describe() -> str:
    """Describe processor, memory, kernel and the programs' versions, in one line."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    hypervisor = ", virtual" if re.search(r"^flags\s*:.*\bhypervisor\b", cpuinfo, re.MULTILINE) else ""
    memory = re.search(r"^MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)
    told = subprocess.run(["keepalived", "--version"], capture_output=True, text=True, check=False).stderr
    keepalived = re.search(r"v(\d+\.\d+\.\d+)", told)
    return (
        f"{os.cpu_count()} processors ({model[1] if model else platform.machine()}{hypervisor}), "
        f"{int(memory[1]) / (1 << 20) if memory else 0:.0f} GiB, Linux {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}, vipbus {version('vipbus')}, "
        f"keepalived {keepalived[1] if keepalived else '(version unknown)'}"
    )


class Busy:
    """How busy all processors were since it was made, by /proc/stat."""

    def __init__(self) -> None:
        self._idle, self._at = self._read()

    @staticmethod
    def _read() -> tuple[float, float]:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
        ticks = os.sysconf("SC_CLK_TCK")
        return (int(fields[4]) + int(fields[5])) / ticks, time.monotonic()

    def share(self) -> float:
        """Give the share (0 to 1) of all processors' time that was used since."""
        idle, now = self._read()
        return max(0.0, 1 - (idle - self._idle) / ((now - self._at) * (os.cpu_count() or 1)))
