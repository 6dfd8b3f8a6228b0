"""Targets of TCP checks: a port on every address of loopback.

Mostly nobody has to accept, for a check resets its connection before the acknowledgement that would complete
it (`health_prober.lean`). A checker that is late lets some complete; they would fill the queue for ever, and
from then on every SYN would be dropped.
"""

from __future__ import annotations

import socket
import sys

BACKLOG = 4096


def main(port: int) -> None:
    """Answer until killed."""
    with socket.create_server(("0.0.0.0", port), backlog=BACKLOG) as listener:
        while True:
            listener.accept()[0].close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
