"""nginx as the members of a pool, fast enough for a load: each answers with who it is."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.waiting import eventually
from tests.support.web_servers import answers, free_ports

_CONFIG = """\
daemon off; master_process off; pid {directory}/pid; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
    access_log off; keepalive_requests 1000000000; keepalive_timeout 1h;
    client_body_temp_path {directory}; proxy_temp_path {directory}; fastcgi_temp_path {directory};
    uwsgi_temp_path {directory}; scgi_temp_path {directory};
{servers}
}}
"""
_EVERYWHERE = """\
    server {{
        listen 0.0.0.0:{port};
        location / {{ return 200 $server_addr; }}
        location = /health {{ root {directory}/$server_addr; try_files /healthy =503; }}
    }}
"""


class Everywhere:
    """One port of every address of loopback: each answers with its address, and has a health of its own."""

    def __init__(self, port: int, directory: Path) -> None:
        self.port = port
        self._directory = directory

    def heal(self, *addresses: str) -> None:
        """Let ``/health`` of these answer 200."""
        for each in addresses:
            (self._directory / each).mkdir(exist_ok=True)
            (self._directory / each / "healthy").touch()

    def fail(self, *addresses: str) -> None:
        """Let it answer 503, as it does until it is healed."""
        for each in addresses:
            (self._directory / each / "healthy").unlink(missing_ok=True)


@contextlib.contextmanager
def nginx(number: int) -> Iterator[list[int]]:
    """Run one that listens on so many ports of loopback and answers with the port; give them."""
    ports = free_ports(number)
    servers = "\n".join(f"    server {{ listen 127.0.0.1:{each}; return 200 {each}; }}" for each in ports)
    with _running(ports, servers):
        yield ports


@contextlib.contextmanager
def everywhere() -> Iterator[Everywhere]:
    """Run one on every address of loopback."""
    port = _free_everywhere()
    with _running([port], _EVERYWHERE, port=port) as directory:
        yield Everywhere(port, directory)


def _free_everywhere() -> int:
    """Find a port that is free on every address, below those that connections are made from."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("0.0.0.0", port))
            return port


@contextlib.contextmanager
def _running(ports: list[int], servers: str, **words: int) -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="nginx-"))
    directory.chmod(0o755)
    config = directory / "nginx.conf"
    if words:
        servers = servers.format(directory=directory, **words)
    config.write_text(_CONFIG.format(directory=directory, servers=servers))
    process = subprocess.Popen(["nginx", "-p", str(directory), "-c", str(config), "-e", "stderr"])
    try:
        eventually(lambda: all(map(answers, ports)), "nginx listens")
        yield directory
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(directory)
