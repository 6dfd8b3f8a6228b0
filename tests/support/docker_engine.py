"""A Docker engine of the test's own: its own socket, images and network, nothing of this machine's.

It runs in namespaces of its own: an engine without its usual bridge removes that of another one.
One image is in it, of the host's static busybox. Containers outlive the engine's own death (live restore).
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import docker
from docker.models.containers import Container
from docker.models.networks import Network
from docker.types import IPAMConfig, IPAMPool

from tests.support.waiting import eventually

IMAGE = "busybox:test"
STUBBORN = "trap 'sleep 3; exit 0' TERM; trap 'exit 0' QUIT; while :; do sleep 0.1; done"
"""Ends three seconds after SIGTERM."""


def why_not() -> str:
    """Say why no engine can run here; empty when one can."""
    if os.geteuid() != 0:
        return "needs root to run a Docker engine"
    if missing := [name for name in ("dockerd", "containerd") if shutil.which(name) is None]:
        return f"needs {', '.join(missing)}"
    return "" if Path("/bin/busybox").exists() else "needs busybox-static"


@contextmanager
def running(directory: Path) -> Iterator[DockerEngine]:
    """Give an engine with its image and two networks, ``servers`` and ``others``."""
    engine = DockerEngine(directory)
    try:
        engine.start()
        engine.load_image()
        engine.network("servers", "10.211.1.0/24")
        engine.network("others", "10.211.2.0/24")
        yield engine
    finally:
        engine.remove()


class DockerEngine:
    """One dockerd; `kill` is kill -9, and `start` brings it back over what it had."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.socket = directory / "docker.sock"
        self.url = f"unix://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None
        self._containerd: subprocess.Popen[bytes] | None = None
        self._namespaces: subprocess.Popen[bytes] | None = None
        """Whoever keeps them; what the engine is entered into."""
        self._client: docker.DockerClient | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        own = self._directory
        if self._namespaces is None:
            keep = ["sh", "-c", "mount -t tmpfs tmpfs /run && exec sleep infinity"]
            self._namespaces = subprocess.Popen(["unshare", "--net", "--mount", *keep])
            eventually(self._are_ours, "the namespaces are there")
            self._containerd = self._start_containerd()
        (own / "none.json").write_text("{}")
        places = [f"--data-root={own}/data", f"--exec-root={own}/run", f"--pidfile={own}/pid"]
        files = [f"--config-file={own}/none.json", f"--containerd={own}/containerd.sock"]
        network = ["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"]
        others = ["--live-restore", "--storage-driver=vfs"]
        with (own / "dockerd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._inside(), "dockerd", "--host", self.url, *places, *files, *network, *others],
                stdout=log,
                stderr=log,
            )
        eventually(self._answers, f"dockerd answers: {own}/dockerd.log", within=60, every=0.1)

    def _inside(self) -> list[str]:
        assert self._namespaces is not None
        return ["nsenter", "--target", str(self._namespaces.pid), "--net", "--mount"]

    def _are_ours(self) -> bool:
        assert self._namespaces is not None
        assert self._namespaces.poll() is None
        # the last program that it becomes
        return Path(f"/proc/{self._namespaces.pid}/comm").read_text().strip() == "sleep"

    def _start_containerd(self) -> subprocess.Popen[bytes]:
        """Start what keeps the containers; as on a real host, it outlives the engine."""
        own = self._directory
        (own / "containerd.toml").write_text(
            f'version = 2\nroot = "{own}/containerd"\nstate = "{own}/containerd.run"\n'
            'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
            f'[grpc]\naddress = "{own}/containerd.sock"\n'
        )
        with (own / "containerd.log").open("ab") as log:
            started = subprocess.Popen(
                [*self._inside(), "containerd", "--config", f"{own}/containerd.toml"], stdout=log, stderr=log
            )
        eventually((own / "containerd.sock").exists, "containerd listens", within=30)
        return started

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._directory / "dockerd.log").read_text()[-2000:]
        try:
            return bool(self.client.ping())
        except (docker.errors.DockerException, OSError):
            return False

    @property
    def client(self) -> docker.DockerClient:
        """Give a client of it."""
        if self._client is None:
            self._client = docker.DockerClient(base_url=self.url, version="1.41", timeout=30)
        return self._client

    def load_image(self) -> None:
        """Make the one image."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            tar.add("/bin/busybox", "bin/busybox")
            for name in ("sh", "sleep", "test", "touch", "rm"):
                link = tarfile.TarInfo(f"bin/{name}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
            directory = tarfile.TarInfo("tmp")
            directory.type, directory.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(directory)
        repository, _, tag = IMAGE.partition(":")
        self.client.api.import_image_from_data(packed.getvalue(), repository=repository, tag=tag)

    def network(self, name: str, subnet: str, subnet6: str = "") -> Network:
        """Make a bridge that reaches nothing."""
        pools = [IPAMPool(subnet=each) for each in (subnet, subnet6) if each]
        return self.client.networks.create(
            name,
            driver="bridge",
            internal=True,
            enable_ipv6=bool(subnet6),
            ipam=IPAMConfig(pool_configs=pools),
        )

    def run(
        self, name: str, labels: Mapping[str, str], network: str = "servers", **options: object
    ) -> Container:
        """Start a container that does nothing, and takes its time to stop."""
        settings = {"network_mode" if network in ("host", "none") else "network": network, **options}
        settings.setdefault("command", ["sh", "-c", STUBBORN])
        return self.client.containers.run(
            IMAGE, name=name, labels=dict(labels), detach=True, init=False, **settings
        )

    def kill(self) -> None:
        """Kill -9, the engine alone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None
        if self._client is not None:
            self._client.close()
            self._client = None

    def remove(self) -> None:
        """Leave nothing behind."""
        if self._process is None or self._process.poll() is not None:
            return
        try:
            for container in self.client.containers.list(all=True):
                container.remove(force=True)
            for network in self.client.networks.list():
                if network.name not in ("none", "host", "bridge"):
                    network.remove()
        finally:
            self._process.terminate()
            self._process.wait(30)
            self._process = None
            if self._containerd is not None:
                self._containerd.terminate()
                self._containerd.wait(30)
            if self._namespaces is not None:
                self._namespaces.kill()
                self._namespaces.wait()
