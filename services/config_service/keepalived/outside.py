"""What the compiler asks of the machine it runs on; the compiler itself touches nothing."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from config_service.keepalived.expand import Machine
from config_service.keepalived.iproute2 import Names
from config_service.problems import RefusedError, quoted

_LARGEST_KEY: Final = 4096
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def key_file(path: str) -> str:
    """Read a key's file (auth_hmac, ``file:PATH``), without the end of its line.

    Raises:
        RefusedError: it cannot be read, or holds no text.
    """
    try:
        # a pipe without a writer would wait here for ever
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            body = os.read(descriptor, _LARGEST_KEY)
        finally:
            os.close(descriptor)
        return body.decode().rstrip("\r\n")
    except OSError as error:
        raise RefusedError(f"the key's file {quoted(path)} cannot be read ({error.strerror})") from None
    except ValueError:
        raise RefusedError(f"the key's file {quoted(path)} holds no text; write hex:DIGITS into it") from None


def program_problem(program: str) -> str:
    """Say why a program will not run on this machine; empty when it may."""
    if "/" not in program:
        found = shutil.which(program, path=_PATH)
        return "" if found else f"there is no program {quoted(program)} here"
    try:
        mode = Path(program).stat().st_mode
    except (OSError, ValueError):
        return f"there is no {quoted(program)} here"
    if not stat.S_ISREG(mode):
        return f"{quoted(program)} is no file"
    return "" if mode & 0o111 else f"{quoted(program)} is not executable"


@dataclass(frozen=True)
class Outside:
    """The machine, as far as the compiler knows it."""

    reference: Callable[[str], str]
    """Gives the reference that stands for a password or key on the bus (`vipbus.runtime.secrets`)."""
    names: Names
    """iproute2's names of tables, protocols, scopes."""
    machine: Machine = field(default_factory=Machine)
    """What conditions, parameters and included files depend on."""
    key_file: Callable[[str], str] = key_file
    program_problem: Callable[[str], str] = program_problem
    empty_pools: bool = False
    """True: real servers come from elsewhere too, and a virtual server without any stays."""
