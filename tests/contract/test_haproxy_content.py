"""Answers are compressed and kept, with a real haproxy and real servers."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import http.server
import threading
from collections.abc import Iterator

import pytest

from tests.support.nats import free_port
from tests.support.proxy import pool, proxy
from tests.support.proxy_direct import Haproxy, up
from vipbus.contracts import Cache, Compression, PathChange, Proxy, ProxyPool, ProxyRoute

TEXT = b"the same words again and again, " * 200


class Server:
    """Answers with text, and counts; ``/large`` is longer than most caches take, ``/own`` may not be kept."""

    def __init__(self, name: str = "") -> None:
        owner = self

        class Answer(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                owner.asked += 1
                body = name.encode() + TEXT * (20 if self.path == "/large" else 1)
                self.send_response(200)
                self.send_header("Content-Type", "image/png" if self.path == "/image" else "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store" if self.path == "/own" else "max-age=600")
                self.end_headers()
                self.wfile.write(body)

            def handle(self) -> None:
                with contextlib.suppress(ConnectionError):
                    super().handle()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.asked = 0
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@contextlib.contextmanager
def running(server: Server, front: Proxy, back: ProxyPool) -> Iterator[int]:
    with Haproxy([front], [back], {back.id: [up(server.port)]}):
        yield front.bind[0].port


def get(port: int, path: str = "/", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("where", ["proxy", "pool"])
def test_who_takes_it_gets_an_answer_compressed(server: Server, where: str) -> None:
    compression = Compression(types=("text/html",))
    front = proxy(free_port(), **({"compression": compression} if where == "proxy" else {}))
    back = pool(**({"compression": compression} if where == "pool" else {}))
    with running(server, front, back) as port:
        _, headers, body = get(port, Accept_Encoding="gzip")
        assert headers["content-encoding"] == "gzip"
        assert gzip.decompress(body) == TEXT
        assert len(body) < len(TEXT) / 5
        _, headers, body = get(port)
        assert ("content-encoding" in headers, body) == (False, TEXT)
        _, headers, _ = get(port, "/image", Accept_Encoding="gzip")
        assert "content-encoding" not in headers


@pytest.mark.parametrize("where", ["proxy", "pool"])
def test_what_is_kept_is_given_while_the_server_is_stopped(server: Server, where: str) -> None:
    cache = Cache(size=4, max_object=50_000, max_age=600)
    front = proxy(free_port(), **({"cache": cache} if where == "proxy" else {}))
    back = pool(retries=0, **({"cache": cache} if where == "pool" else {}))
    with running(server, front, back) as port:
        paths = ("/", "/large", "/own")
        assert [get(port, path)[0] for path in paths] == [200, 200, 200]
        assert [get(port, path)[0] for path in paths] == [200, 200, 200]
        assert server.asked == 5, "one of three is kept: the others are too large, or not to be kept"
        server.close()
        status, headers, body = get(port)
        assert (status, body, "age" in headers) == (200, TEXT, True)
        assert [get(port, path)[0] for path in paths[1:]] == [503, 503]
        assert get(port, Host="another.example")[0] == 503, "a host is one of its own"


def test_both_together(server: Server) -> None:
    made = {"compression": Compression(), "cache": Cache(size=4, max_age=600)}
    with running(server, proxy(free_port(), **made), pool()) as port:
        get(port, Accept_Encoding="gzip")
        _, headers, body = get(port, Accept_Encoding="gzip")
        assert (server.asked, headers["content-encoding"], gzip.decompress(body)) == (1, "gzip", TEXT)
        assert get(port)[2] == TEXT


def test_what_is_rewritten_to_the_same_path_is_kept_apart() -> None:
    """Of two pools by way of two routes, each of which takes its own beginning away."""
    servers = [Server("a"), Server("b")]
    try:
        routes = tuple(
            ProxyRoute(path_prefix=(f"/{name}/",), pool=name, rewrite=PathChange(regex=f"^/{name}/", by="/"))
            for name in ("a", "b")
        )
        front = proxy(free_port(), pool="a", route=routes, cache=Cache(size=4))
        members = {f"pool-{name}": [up(each.port)] for name, each in zip("ab", servers, strict=True)}
        with Haproxy([front], [pool(name="a"), pool(name="b")], members):
            port = front.bind[0].port
            for _ in range(2):
                assert get(port, "/a/x")[2][:1] == b"a"
                assert get(port, "/b/x")[2][:1] == b"b"
        assert [each.asked for each in servers] == [1, 1]
    finally:
        for each in servers:
            each.close()


def test_a_long_name_has_a_cache_too(server: Server) -> None:
    name = "a-name-that-is-longer-than-what-a-cache-of-haproxy-may-have"
    with running(server, proxy(free_port(), name=name, cache=Cache(size=4)), pool()) as port:
        assert [get(port)[0] for _ in range(2)] == [200, 200]
        assert server.asked == 1
