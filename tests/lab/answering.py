"""A real server for datagrams: answers each with its name and the address that it came to.

``python answering.py NAME PORT ADDRESS...``; a socket an address, so that the answer comes from where the
question went to.
"""

from __future__ import annotations

import selectors
import socket
import sys

from tests.lab.web import LISTENING


def serve(name: str, port: int, addresses: list[str]) -> None:
    """Answer until killed."""
    selector = selectors.DefaultSelector()
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_DGRAM)
        opened.bind((address, port))
        selector.register(opened, selectors.EVENT_READ, address)
    print(LISTENING, flush=True)
    while True:
        for key, _ in selector.select():
            assert isinstance(key.fileobj, socket.socket)
            _, client = key.fileobj.recvfrom(2048)
            key.fileobj.sendto(f"{name} {key.data}\n".encode(), client)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
