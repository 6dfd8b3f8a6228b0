"""The proxy of compose.yaml before a real engine: what config-service reads passes, and nothing else."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import docker
import pytest
from docker.errors import APIError, NotFound

from config_service.docker_labels.engine import Engine, EngineError
from tests.support.docker_engine import DockerEngine, running, why_not
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

PROGRAM = Path(__file__).parents[2] / "deploy" / "compose" / "demo" / "docker_proxy.py"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerEngine]:
    with running(tmp_path_factory.mktemp("docker")) as engine:
        engine.run("web-1", {"vipbus.virtual-server": "web"})
        yield engine


@pytest.fixture(scope="module")
def proxy(engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("proxy") / "docker.sock"
    process = subprocess.Popen([sys.executable, str(PROGRAM), str(path), str(engine.socket)])
    try:
        eventually(path.exists, "the proxy listens")
        yield path
    finally:
        process.terminate()
        status = process.wait(30)
    assert status == 0


def test_all_that_config_service_reads_passes(engine: DockerEngine, proxy: Path) -> None:
    with Engine(f"unix://{proxy}") as through, Engine(engine.url) as direct:
        assert through.containers() == direct.containers()
        (found,) = through.containers()
        assert found.name == "web-1"
        assert through.container("nobody") is None
        now = through.now()
        events = list(through.events(now - timedelta(minutes=1), now + timedelta(seconds=1)))
        assert "start" in {event.action for event in events}


def test_events_come_as_they_happen_and_their_stream_ends_with_the_reader(
    engine: DockerEngine, proxy: Path
) -> None:
    with Engine(f"unix://{proxy}") as through:
        now = through.now()
        stream = through.events(now, now + timedelta(minutes=5))
        other = engine.run("web-2", {"vipbus.virtual-server": "web"})
        assert any((event.action, event.container) == ("start", other.id) for event in stream)
        other.remove(force=True)
        through.close_stream()
        assert list(stream) == []


def test_nothing_can_be_written(engine: DockerEngine, proxy: Path) -> None:
    client = docker.DockerClient(base_url=f"unix://{proxy}", version="1.41", timeout=5)
    container = client.containers.get("web-1")
    for attempt in (
        container.stop,
        container.remove,
        lambda: container.exec_run("sh"),
        lambda: container.get_archive("/etc/passwd"),
        container.logs,
        client.images.list,
        client.info,
        lambda: client.containers.create("busybox:test"),
        lambda: client.networks.get("servers"),
    ):
        with pytest.raises(APIError) as refused:
            attempt()
        assert refused.value.status_code == 403
    with pytest.raises(NotFound):
        client.containers.get("nobody")
    assert engine.client.containers.get("web-1").status == "running"


@pytest.mark.parametrize(
    "head",
    [
        "POST /v1.41/containers/web-1/stop HTTP/1.1",
        "GET /v1.41/containers/web-1/json HTTP/1.1\r\nContent-Length: 5",
        "GET /_ping HTTP/1.1\r\nTransfer-Encoding: chunked",
        "GET /_ping HTTP/1.1\r\nUpgrade: tcp",
        "GET /containers/web-1/../../info/json HTTP/1.1",
        "GET /containers/web-1%2Fstop/json HTTP/1.1",
        "GET http://x/_ping HTTP/1.1",
        "GET /_ping HTTP/1.0",
        "GET  /_ping HTTP/1.1",
        "get /_ping HTTP/1.1",
        "\0" * 10,
    ],
)
def test_what_is_not_one_of_five_requests_is_refused(proxy: Path, head: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(proxy))
        client.sendall(f"{head}\r\nHost: x\r\n\r\n".encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 403 ")
        assert client.recv(4096) == b""


def test_a_second_request_on_a_connection_goes_nowhere(engine: DockerEngine, proxy: Path) -> None:
    """What follows the first is not looked at, so it must not be passed on."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(proxy))
        second = b"POST /v1.41/containers/web-1/kill HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
        client.sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n" + second)
        answer = b""
        while piece := client.recv(4096):
            answer += piece
    assert answer.count(b"HTTP/1.1 ") == 1
    assert engine.client.containers.get("web-1").status == "running"


def test_a_head_without_an_end_is_given_up(proxy: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(proxy))
        try:
            for _ in range(64):
                client.sendall(b"x" * 1024)
            assert client.recv(4096) == b""
        except (BrokenPipeError, ConnectionResetError):
            pass


def test_a_client_that_is_refused_is_told_what_to_allow(proxy: Path) -> None:
    with (
        Engine(f"unix://{proxy}") as through,
        pytest.raises(EngineError, match=r"allow GET of /_ping") as said,
    ):
        through.container("x/../../images")
    assert "only reading is open" in str(said.value)
