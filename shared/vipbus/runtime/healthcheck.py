"""A container's health check: ``python -m vipbus.runtime.healthcheck`` asks the service beside it.

Asks ``GET /ready`` where ``VIPBUS_LISTEN`` says that the service answers (or ``HOST:PORT`` as an argument),
prints what is wrong, a line each, and exits 0 when nothing is, 1 otherwise. It starts every few seconds in
every container, so it imports no more than it must: the standard library's HTTP client would double its time.
"""

from __future__ import annotations

import json
import os
import socket
import sys

TIMEOUT = 2.0
"""Seconds for the whole answer; the engine gives up on a check a little later."""
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # nothing binds here: where such a service is asked


def check(listen: str) -> tuple[bool, str]:
    """Ask the service that listens on ``HOST:PORT``; return whether it is ready, and what to print."""
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    try:
        answer = _get(_ANY.get(host, host), int(port))
        head, _, body = answer.partition(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        report = json.loads(body)
        problems = "\n".join(report["problems"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        return False, f"{listen} gives no answer about readiness: {error}"
    return status == 200, problems or "ready"


def _get(host: str, port: int) -> bytes:
    with socket.create_connection((host, port), timeout=TIMEOUT) as connection:
        connection.sendall(f"GET /ready HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
        return b"".join(parts)


def main(arguments: list[str] | None = None) -> int:
    """Check once, print, and return the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    listen = given[0] if given else os.environ.get("VIPBUS_LISTEN", "")
    if not listen:
        print("nothing to ask: set VIPBUS_LISTEN or give HOST:PORT")
        return 1
    ready, text = check(listen)
    print(text)
    return 0 if ready else 1


if __name__ == "__main__":
    sys.exit(main())
