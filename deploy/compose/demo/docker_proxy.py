"""A read-only door to the Docker engine: what config-service asks for, and nothing else.

    python -m demo.docker_proxy /run/engine/docker.sock          listen there, ask /var/run/docker.sock
                                                                 (or what a second argument says)
    python -m demo.docker_proxy check /run/engine/docker.sock    say whether the engine answers through it

Whoever may write to an engine's socket is root on its host, and mounting the socket read-only changes
nothing of that. Through this one there are five requests, all GET, without a body. It has no network, no
capability, and one socket in a volume that config-service alone shares with it.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sys
import threading

ENGINE = "/var/run/docker.sock"
"""Where the engine listens, as a rule."""
_ALLOWED = re.compile(
    rb"GET (?:/v1\.[0-9]{1,3})?"
    rb"/(?:_ping|version|events|containers/json|containers/[0-9a-zA-Z][0-9a-zA-Z_.-]{0,254}/json)"
    rb"(?:\?[!-~]*)? HTTP/1\.1\r\n"
)
_BODY = re.compile(
    rb"^(?:content-length:\s*0*[1-9]|transfer-encoding:|upgrade:)", re.IGNORECASE | re.MULTILINE
)
_REFUSED = (
    b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: 34\r\n"
    b"Connection: close\r\n\r\n"
    b'{"message":"only reading is open"}'
)
_LARGEST_HEAD = 16384
_IDLE = 300.0
"""Seconds without a request; events come less often than that, and their stream is not a request."""
_MOST = 32
"""Connections at a time."""


def allowed(head: bytes) -> bool:
    """Say whether a request may pass: its line is one of five, and nothing follows it."""
    return _ALLOWED.match(head) is not None and _BODY.search(head) is None


def read_head(source: socket.socket, rest: bytes) -> tuple[bytes, bytes]:
    """Read a request's head; return it and what came after it. Empty: there is none."""
    while b"\r\n\r\n" not in rest:
        piece = source.recv(4096)
        if not piece or len(rest) > _LARGEST_HEAD:
            return b"", b""
        rest += piece
    head, end, rest = rest.partition(b"\r\n\r\n")
    return head + end, rest


def serve(client: socket.socket, place: str) -> None:
    """Answer one request after the other, each on a connection of its own to the engine."""
    with client:
        client.settimeout(_IDLE)
        try:
            head, _ = read_head(client, b"")
            if not head:
                return
            if not allowed(head):
                client.sendall(_REFUSED)
                return
            with socket.socket(socket.AF_UNIX) as engine:
                engine.connect(place)
                # one request a connection: what a second one asks for would have to be read as well
                line, end, fields = head.partition(b"\r\n")
                engine.sendall(line + end + b"Connection: close\r\n" + without_connection(fields))
                watch = threading.Thread(target=until_closed, args=(client, engine), daemon=True)
                watch.start()
                while piece := engine.recv(65536):
                    client.sendall(piece)
        except OSError:
            return
        finally:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)  # or the other thread would hold it open


def without_connection(fields: bytes) -> bytes:
    """Take out what the client says of the connection."""
    kept = [line for line in fields.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join(kept)


def until_closed(client: socket.socket, engine: socket.socket) -> None:
    """End a stream when its reader goes, or asks for more on the same connection."""
    with contextlib.suppress(OSError):
        client.settimeout(None)
        client.recv(1)
        engine.shutdown(socket.SHUT_RDWR)


def check(path: str) -> int:
    """Ask the engine through the proxy; return the exit status."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(3.0)
            connection.connect(path)
            connection.sendall(b"GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n")
            answer = connection.recv(4096)
    except OSError as error:
        print(f"{path}: {error}")
        return 1
    print(answer.partition(b"\r\n")[0].decode())
    return 0 if b" 200 " in answer else 1


def main(arguments: list[str]) -> int:
    """Listen, or check; return the exit status."""
    if arguments[0] == "check":
        return check(arguments[1])
    # the first process of a namespace gets only the signals it asked for
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if os.path.lexists(arguments[0]):  # a socket that was left, whatever it is
        os.unlink(arguments[0])  # noqa: PTH108  # as above
    place = arguments[1] if len(arguments) > 1 else ENGINE
    slots = threading.BoundedSemaphore(_MOST)

    def one(client: socket.socket) -> None:
        with slots:
            serve(client, place)

    os.umask(0)  # config-service is another user; who gets here is up to the volume
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(arguments[0])
        listening.listen(16)
        print(f"{arguments[0]} reads {place}")
        while True:
            client, _ = listening.accept()
            threading.Thread(target=one, args=(client,), daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
