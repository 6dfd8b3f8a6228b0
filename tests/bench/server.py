"""A server that answers every connection with one byte and closes it: ``python server.py PORT``."""

from __future__ import annotations

import contextlib
import gc
import select
import socket
import sys

_BACKLOG = 4096


def main(port: int) -> None:
    """Serve until killed, on every address that the host has or will have."""
    gc.disable()
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("0.0.0.0", port))  # the virtual address comes and goes
        listening.listen(_BACKLOG)
        listening.setblocking(False)
        waiting = select.poll()
        waiting.register(listening, select.POLLIN)
        print("serving", flush=True)
        while True:
            waiting.poll()
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection, contextlib.suppress(OSError):
                        connection.send(b".")


if __name__ == "__main__":
    main(int(sys.argv[1]))
