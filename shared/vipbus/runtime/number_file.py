"""A file that holds one number, strictly read (keepalived.conf(5), track_file)."""

from __future__ import annotations

import os
import re
import stat

import msgspec

_NUMBER = re.compile(rb"\s*([+-]?[0-9]{1,10})\s*", re.ASCII)
_LARGEST = 2**31 - 1
_READ = 64
"""Octets; more is no number."""


class Reading(msgspec.Struct, frozen=True):
    """What a file holds, or why nobody can tell."""

    value: int | None
    """None: not to be told, for the reason in ``problem``."""
    problem: str = ""
    absent: bool = False
    """True: there is no such file, which counts as 0."""


def parse(content: bytes) -> int | None:
    """Read a number of -2147483647 to 2147483647, with space around it; None: it is none."""
    match = _NUMBER.fullmatch(content)
    if match is None:
        return None
    value = int(match[1])
    return value if abs(value) <= _LARGEST else None


def read(path: str) -> Reading:
    """Read such a file; whatever stands in its place, this raises nothing and waits for a disk alone."""
    try:
        # O_NONBLOCK: a named pipe in its place must not hold this thread
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except FileNotFoundError:
        return Reading(0, absent=True)
    except (OSError, ValueError) as error:
        return Reading(None, f"{path} cannot be read: {_words(error)}")
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return Reading(None, f"{path} is no file")
        content = os.read(descriptor, _READ + 1)
    except OSError as error:
        return Reading(None, f"{path} cannot be read: {_words(error)}")
    finally:
        os.close(descriptor)
    value = parse(content) if len(content) <= _READ else None
    if value is None:
        return Reading(None, f"{path} holds no number from -{_LARGEST} to {_LARGEST}: {content[:32]!r}")
    return Reading(value)


def _words(error: OSError | ValueError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
