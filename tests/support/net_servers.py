"""Servers for the checks of mail, names and datagrams: real ones as processes, hostile ones as threads."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tests.support.waiting import eventually
from tests.support.web_servers import answers, free_ports

ZONE = """
$ORIGIN example.
@ 60 SOA ns admin 1 2 3 4 5
@ NS ns
ns A 10.0.0.53
www A 10.0.0.1
www A 10.0.0.2
www AAAA fd00::1
alias CNAME www
loop CNAME loop2
loop2 CNAME loop
out CNAME www.elsewhere.
mail MX 10 mx
txt TXT "hello world" "more"
"""
BIG_RECORDS = 40
"""Of TXT at big.example: no datagram of 512 octets holds them."""


@contextlib.contextmanager
def running(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End a process with the block."""
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def knot(directory: Path) -> Iterator[int]:
    """Run Knot DNS on 127.0.0.1 and ::1 with example. from `ZONE`, and broken. that has no file; its port."""
    (port,) = free_ports(1)
    big = "".join(f'big TXT "{number:03d} {"x" * 200}"\n' for number in range(BIG_RECORDS))
    (directory / "example.zone").write_text(ZONE + big)
    config = directory / "knot.conf"
    config.write_text(
        f"server:\n rundir: {directory}\n listen: [ 127.0.0.1@{port}, ::1@{port} ]\n"
        " tcp-workers: 1\n udp-workers: 1\n background-workers: 1\n"
        f"log:\n - target: stderr\n   any: error\ndatabase:\n storage: {directory}\n"
        f"zone:\n - domain: example.\n   file: {directory}/example.zone\n   journal-content: none\n"
        f" - domain: broken.\n   file: {directory}/nowhere.zone\n"
    )
    with running(subprocess.Popen(["knotd", "-c", str(config)])):
        eventually(lambda: answers(port), "knotd listens")
        yield port


@contextlib.contextmanager
def dnsmasq() -> Iterator[int]:
    """Run dnsmasq on 127.0.0.1, which knows host.example (10.0.0.7, fd00::7) and asks nobody; its port."""
    (port,) = free_ports(1)
    options = ["--host-record=host.example,10.0.0.7,fd00::7", "--no-resolv", "--no-hosts", "--user=root"]
    here = ["--listen-address=127.0.0.1", "--bind-interfaces", f"--port={port}", "--pid-file"]
    process = subprocess.Popen(["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", *here, *options])
    with running(process):
        eventually(lambda: answers(port), "dnsmasq listens")
        yield port


@contextlib.contextmanager
def exim(directory: Path, certificate: Path, client_ca: Path | None = None) -> Iterator[tuple[int, int]]:
    """Run Exim as mail.example on 127.0.0.1; its ports with STARTTLS and with TLS from the start.

    With an authority for clients it takes none without a certificate of that authority.
    """
    plain, tls = free_ports(2)
    spool = directory / "spool"
    spool.mkdir(parents=True)
    wanted = f"tls_verify_hosts = *\ntls_verify_certificates = {client_ca}\n" if client_ca else ""
    config = directory / "exim.conf"
    config.write_text(
        "primary_hostname = mail.example\nsmtp_banner = $primary_hostname ESMTP\nkeep_environment =\n"
        f"spool_directory = {spool}\nlog_file_path = {directory}/%slog\npid_file_path = {directory}/pid\n"
        f"local_interfaces = 127.0.0.1\ndaemon_smtp_ports = {plain} : {tls}\ntls_on_connect_ports = {tls}\n"
        f"tls_advertise_hosts = *\ntls_certificate = {certificate}\n{wanted}"
        "exim_user = root\nexim_group = root\nnever_users =\nsmtp_accept_max = 0\n"
    )
    with running(subprocess.Popen(["exim4", "-C", str(config), "-bdf"])):
        eventually(lambda: answers(plain) and answers(tls), "exim listens")
        yield plain, tls


class Connection:
    """A client's, as a hostile server sees it."""

    def __init__(self, connection: socket.socket, ending: threading.Event) -> None:
        self.socket = connection
        self._ending = ending

    def say(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def hear(self) -> bytes:
        return self.socket.recv(1 << 16)

    def rest(self, seconds: float = 60.0) -> None:
        """Do nothing until the client goes away, the server ends or the time is over."""
        self.socket.settimeout(seconds)
        while self.hear():
            pass

    def trickle(self, octets: bytes, every: float = 0.001) -> None:
        """One octet a segment."""
        for octet in octets:
            self.say(bytes([octet]))
            self._ending.wait(every)

    def for_ever(self, octets: bytes) -> None:
        while not self._ending.is_set():
            self.say(octets)

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@contextlib.contextmanager
def tcp_server(serve: Callable[[Connection], None]) -> Iterator[int]:
    """Run a function for each connection on 127.0.0.1, in a thread each; the port."""
    ending = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    open_now: set[socket.socket] = set()

    def handle(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            serve(Connection(connection, ending))
        open_now.discard(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                open_now.add(connection)
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        ending.set()
        for each in (listener, *open_now):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(10)


@contextlib.contextmanager
def udp_server(
    answer: Callable[[bytes], Iterable[bytes]],
    here: str = "127.0.0.1",
    received: list[bytes] | None = None,
    sender: socket.socket | None = None,
) -> Iterator[int]:
    """Answer each datagram with others, from the same socket if no ``sender`` is given; the port."""
    server = socket.socket(socket.AF_INET6 if ":" in here else socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((here, 0))
    ending = threading.Event()

    def serve() -> None:
        while True:
            datagram, client = server.recvfrom(1 << 16)
            if ending.is_set():
                return
            if received is not None:
                received.append(datagram)
            for each in answer(datagram):
                with contextlib.suppress(OSError):
                    (sender or server).sendto(each, client)
                if ending.is_set():
                    return

    serving = threading.Thread(target=serve, daemon=True)
    serving.start()
    try:
        yield server.getsockname()[1]
    finally:
        ending.set()
        with socket.socket(server.family, socket.SOCK_DGRAM) as last:
            last.sendto(b"", server.getsockname()[:2])
        serving.join(10)
        server.close()
