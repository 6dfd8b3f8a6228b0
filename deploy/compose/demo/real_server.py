"""A real server: answers every request with its own name, which is its container's.

    python -m demo.real_server 8080          serve until SIGTERM, and a little longer
    python -m demo.real_server check 8080    say whether it answers

At SIGTERM it goes on for as long as the routers may take to stop sending to it: a new connection in that time
is one that they had sent already.
"""

from __future__ import annotations

import http.client
import http.server
import signal
import socket
import sys
import threading

LEAVING = 3.0
"""Seconds from SIGTERM to the end."""


class Handler(http.server.BaseHTTPRequestHandler):
    """One name, whatever the path."""

    name = ""
    timeout = 5.0

    def do_GET(self) -> None:
        """Answer with the name."""
        body = f"{self.name}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """The client counts; twenty lines a second help nobody."""


class Server(http.server.ThreadingHTTPServer):
    """Takes a connection while others are being answered."""

    daemon_threads = True
    request_queue_size = 128


def check(port: int) -> int:
    """Ask oneself; return the exit status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        print(answer.read().decode().strip())
    except (OSError, http.client.HTTPException) as error:
        print(f"port {port}: {error}")
        return 1
    return 0 if answer.status == http.client.OK else 1


def main(arguments: list[str]) -> int:
    """Serve or check; return the exit status."""
    if arguments[0] == "check":
        return check(int(arguments[1]))
    Handler.name = socket.gethostname()
    server = Server(("", int(arguments[0])), Handler)

    def leave(*_: object) -> None:
        print(f"{Handler.name} leaves in {LEAVING:g} s")
        threading.Timer(LEAVING, server.shutdown).start()

    # the first process of a namespace gets only the signals it asked for
    signal.signal(signal.SIGTERM, leave)
    print(f"{Handler.name} listens on port {arguments[0]}")
    server.serve_forever()
    server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
