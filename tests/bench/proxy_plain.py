"""HAProxy as a script drives it: write the whole file, have it checked, signal the master."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from tests.bench.proxy_shape import Shape, address, worker
from tests.support.proxy import haproxy
from tests.support.proxy_socket import ask
from tests.support.waiting import eventually

_HEAD = """\
global
    stats socket {directory}/stats.sock mode 600 level admin
    maxconn 2000
    hard-stop-after 5s
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s
frontend web
    bind 127.0.0.1:{port}
    default_backend web
backend web
    retries {retries}
{web}
backend many
{many}
"""


class Plain:
    """One, with a file of its own; a context."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self._executable = haproxy()
        self._directory = Path(tempfile.mkdtemp(prefix="haproxy-"))
        self._config = self._directory / "haproxy.cfg"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Plain:
        self._write()
        self._process = subprocess.Popen(
            [self._executable, "-W", "-db", "-f", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(self._worker, "haproxy answers")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()  # a master ends its workers
        self._process.wait(20)
        shutil.rmtree(self._directory)

    def change(self) -> int:
        """Bring the shape as it is now; give the process id of the worker of before.

        Raises:
            subprocess.CalledProcessError: the file is refused.
        """
        assert self._process is not None
        before = self._worker()
        self._write()
        subprocess.run([self._executable, "-c", "-q", "-f", str(self._config)], check=True)
        self._process.send_signal(signal.SIGUSR2)
        return before

    def new_worker(self, before: int) -> int:
        """Wait for another worker; give when it answered (ns of the monotonic clock)."""
        eventually(lambda: self._worker() not in (0, before), "another worker", within=30, every=0.002)
        return time.monotonic_ns()

    def alone(self) -> None:
        """Wait until the workers of before have ended: a master takes no reload while one is under way."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        eventually(lambda: len(children.read_text().split()) == 1, "one worker", within=30)

    def _worker(self) -> int:
        return worker(ask(self._directory / "stats.sock", "show info"))

    def _write(self) -> None:
        shape = self.shape
        web = (
            f"    server s{number} 127.0.0.1:{port}{'' if up else ' disabled'}"
            for number, (port, up) in enumerate(zip(shape.members, shape.up, strict=True), 1)
        )
        many = (
            f"    server s{number} {address(number)}:80 weight {weight}"
            for number, weight in enumerate(shape.weights)
        )
        text = _HEAD.format(
            directory=self._directory,
            port=shape.port,
            retries=shape.retries,
            web="\n".join(web),
            many="\n".join(many),
        )
        new = self._config.with_suffix(".new")
        new.write_text(text)
        new.replace(self._config)
