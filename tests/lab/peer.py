"""A real server that tells whom it sees: ``python peer.py PORT`` answers TCP and UDP with the source address.

``download`` on a TCP connection is answered with bytes until the client goes away, a few every 10 ms.
"""

from __future__ import annotations

import socket
import socketserver
import sys
import threading
import time

LISTENING = "listening"
PIECE = b"x" * 1000


class _Stream(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        asked = self.request.recv(100)
        if asked != b"download":
            self.request.sendall(self.client_address[0].encode())
            return
        try:
            while True:
                self.request.sendall(PIECE)
                time.sleep(0.01)
        except OSError:
            pass  # the client went away


class _Datagram(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request[1].sendto(self.client_address[0].encode(), self.client_address)


class _TcpServer(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True


class _UdpServer(socketserver.UDPServer):
    address_family = socket.AF_INET6


if __name__ == "__main__":
    # both families: an IPv4 client is seen as ::ffff:10.8.0.1
    udp = _UdpServer(("::", int(sys.argv[1])), _Datagram)
    tcp = _TcpServer(("::", int(sys.argv[1])), _Stream)
    threading.Thread(target=udp.serve_forever, daemon=True).start()
    print(LISTENING, flush=True)
    tcp.serve_forever()
