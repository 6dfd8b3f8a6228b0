"""Targets of TCP checks: a port on every address of loopback that answers a SYN, and nobody accepts."""

from __future__ import annotations

import signal
import socket
import sys

BACKLOG = 4096


def main(port: int) -> None:
    """Listen until killed."""
    with socket.create_server(("0.0.0.0", port), backlog=BACKLOG):
        signal.pause()


if __name__ == "__main__":
    main(int(sys.argv[1]))
