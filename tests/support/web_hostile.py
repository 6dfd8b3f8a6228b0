"""Servers that behave badly, in a process of their own: they must not take the time of who is tested.

``python -m tests.support.web_hostile CERTIFICATE BROKEN...`` prints their ports in one line and ends with its
input.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.web_servers_raw import (
    RawServer,
    closing,
    endless,
    frames,
    half_closing,
    resetting,
    sending,
    slowly,
    until_gone,
)

_BAD = [until_gone, closing, half_closing, resetting, sending(b"garbage\r\n\r\n"), endless(b"\xff\x00")]
_BAD += [sending(frames(), then=closing), endless(b"\0\0\x08\x06\0\0\0\0\0" + b"12345678", frames())]
_BAD += [slowly(b"HTTP/1.1 200 OK\r\n" * 100, 0.02)]


@contextmanager
def hostile_servers(certificate: Path, *broken: Path) -> Iterator[list[int]]:
    """Run one of each in the clear, one of each by TLS, and one with each broken certificate; their ports."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.web_hostile", str(certificate), *map(str, broken)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield [int(port) for port in process.stdout.readline().split()]
    finally:
        process.communicate("", 30)  # the end of its input is its own
    assert process.returncode == 0


def main(certificate: Path, *broken: Path) -> None:
    """Serve until the input ends."""
    with ExitStack() as held:
        scripts = [(script, by_tls) for by_tls in (None, certificate) for script in _BAD]
        scripts += [(until_gone, each) for each in broken]
        servers = [held.enter_context(RawServer(script, by_tls)) for script, by_tls in scripts]
        print(*(server.port for server in servers), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
