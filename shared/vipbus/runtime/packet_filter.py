"""Runs the programs that write the kernel's packet filter, nft(8) and iptables-restore(8).

It blocks for milliseconds: call it from a thread.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Final

_TIMEOUT: Final = 10.0
"""Seconds until such a program counts as stuck."""


class PacketFilterError(Exception):
    """Nothing was written or read; the message says why."""


def run(command: Sequence[str], script: str = "", *, package: str) -> str:
    """Run a program with a script as its input and give what it printed.

    Raises:
        PacketFilterError: it is missing (``package`` has it), is stuck, or refused.
    """
    program = command[0]
    try:
        done = subprocess.run(  # noqa: S603  # the callers name two programs, and no shell reads the rest
            list(command), input=script, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except FileNotFoundError:
        raise PacketFilterError(f"{program} is not installed; install {package}") from None
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise PacketFilterError(f"{program} cannot be run ({error})") from error
    if done.returncode != 0:
        said = next((line.strip() for line in done.stderr.splitlines() if line.strip()), "no reason given")
        raise PacketFilterError(f"{program} says {said}")
    return done.stdout
