"""Run the command on this machine's own kernel, where that has IPVS and we may use it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.lab.guest.boot import EXIT_TIMEOUT

_IPVS = Path("/proc/net/ip_vs")
_ISOLATE = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
"""Mounts and processes of its own: network namespaces and leftovers end with the command."""


def why_not() -> str:
    """Say why this machine cannot run the lab itself; empty when it can."""
    if os.geteuid() != 0:
        return "not root"
    if not _IPVS.exists():
        subprocess.run(["modprobe", "-q", "ip_vs"], capture_output=True, check=False) if _has(
            "modprobe"
        ) else None
    if not _IPVS.exists():
        return "the kernel has no IPVS"
    if subprocess.run([*_ISOLATE, "--net", "true"], capture_output=True, check=False).returncode != 0:
        return "no right to make namespaces"
    return ""


def _has(program: str) -> bool:
    return any((Path(place) / program).exists() for place in os.get_exec_path())


def run(command: Sequence[str], environment: Mapping[str, str], *, seconds: float) -> int:
    """Run a command; return its exit status, 124 when its time was up."""
    # the shell stays PID 1 of the namespace and reaps what the command leaves behind
    shell = 'mount -t tmpfs tmpfs /run && "$@"; exit $?'
    process = subprocess.Popen([*_ISOLATE, "sh", "-c", shell, "sh", *command], env=dict(environment))
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        print(f"lab: ended after {seconds:g} s", file=sys.stderr)
        return EXIT_TIMEOUT
    except KeyboardInterrupt:
        return process.wait()  # the terminal interrupted the command as well; it cleans up
    finally:
        process.kill()
        process.wait()
