"""A haproxy.cfg and what it becomes: a real haproxy takes both, and both answer alike."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.haproxy_corpus import ENVIRONMENT, FILES, convert, prepared, refusal, site, written
from tests.support.nats import free_port
from tests.support.proxy import haproxy
from tests.support.proxy_direct import ask
from tests.support.proxy_echo import echoes
from tests.support.waiting import eventually
from vipbus.contracts import RealServer


@pytest.fixture
def directory() -> Iterator[Path]:
    haproxy()
    # the paths of sockets are short
    made = Path(tempfile.mkdtemp(prefix="import-"))
    yield made
    shutil.rmtree(made)


GONE = "hiding headers or body at the end of the version string is unsupported"
"""What 2.6 takes and 3.4 refuses: it is converted all the same."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_haproxy_takes_a_file_and_what_it_becomes(path: Path, directory: Path) -> None:
    text = prepared(path.read_text(), directory)
    original = directory / "original.cfg"
    original.write_text(text)
    said = refusal(original)
    assert not said or GONE in said
    made = convert(text, str(original))
    assert refusal(written(site(made.entities), directory)) == ""


@contextlib.contextmanager
def running(config: Path, port: int) -> Iterator[None]:
    process = subprocess.Popen(
        [haproxy(), "-db", "-f", str(config)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT
    )

    def answers() -> bool:
        if process.poll() is not None:
            raise AssertionError(process.communicate()[1].decode() + config.read_text())
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        return False

    try:
        eventually(answers, "haproxy answers")
        yield
    finally:
        process.kill()
        process.communicate()


def bound(text: str, ports: dict[str, int]) -> str:
    """Bind each place to a free port of this machine, remembered by the place."""

    def place(found: re.Match[str]) -> str:
        return f"{found[1]}127.0.0.1:{ports.setdefault(found[2], free_port())}"

    return re.sub(r"(?m)^(\s*bind\s+)(\S+)", place, text)


def served(text: str, servers: dict[str, int], free: Iterator[int]) -> str:
    """Put a server of this machine in the place of each."""

    def place(found: re.Match[str]) -> str:
        if found[0] not in servers:
            servers[found[0]] = next(free)
        return f"127.0.0.1:{servers[found[0]]}"

    return re.sub(r"\b10\.1\.0\.\d+:\d+", place, text)


Request = tuple[str, str, dict[str, Any]]
REQUESTS: dict[str, list[Request]] = {
    "acl-routing": [
        ("192.0.2.10:8080", "/", {}),
        ("[2001:db8::10]:8080", "/", {}),
        ("192.0.2.10:8080", "/healthz", {}),
        ("192.0.2.10:8080", "/.git/config", {}),
        ("192.0.2.10:8080", "/old/12/x", {}),
        ("192.0.2.10:8080", "/old/x", {}),
        ("192.0.2.10:8080", "/", {"Host": "api.example.org"}),
        ("192.0.2.10:8080", "/", {"Host": "API.example.org", "method": "POST"}),
        ("192.0.2.10:8080", "/", {"Host": "api.example.org", "X_Canary": "1"}),
        ("192.0.2.10:8080", "/", {"Host": "a.shop.example.org", "X_Canary": "1"}),
        ("192.0.2.10:8080", "/", {"Host": "a.shop.example.org"}),
        ("192.0.2.10:8080", "/", {"Host": "shop.example.org"}),
        ("192.0.2.10:8080", "/ws/a", {"Upgrade": "WebSocket"}),
        ("192.0.2.10:8080", "/ws/a", {"Upgrade": "h2c, websocket"}),
        ("192.0.2.10:8080", "/ws/a", {}),
        ("192.0.2.10:8080", "/static/a/b.html?c=d", {}),
        ("192.0.2.10:8080", "/statics", {}),
        ("192.0.2.10:8080", "/a/b.css", {}),
        ("192.0.2.10:8080", "/a/b.css", {"method": "POST"}),
        ("192.0.2.10:8080", "/", {"X_Internal": "mine"}),
    ],
    "tls-redirect": [
        (":8080", "/", {"Host": "example.org"}),
        (":8080", "/a/b?c=d", {"Host": "www.example.org"}),
        (":8080", "/", {"method": "POST", "Host": "www.example.org"}),
        (":8443", "/a?b", {"tls": True, "Host": "example.org"}),
        (":8443", "/a?b", {"tls": True, "Host": "www.example.org"}),
        (":8443", "/", {"Host": "www.example.org"}),
        ("192.0.2.20:9443", "/", {"tls": True}),
    ],
    "cookies": [
        (":8080", "/", {}),
        (":8080", "/cart", {}),
        (":8080", "/carts/1", {}),
        (":8080", "/legacy/x", {}),
        (":8080", "/KEYED", {}),
        (":8080", "/a/cart", {}),
    ],
    "defaults-inheritance": [
        (":8080", "/", {}),
        (":8080", "/", {"method": "TRACE"}),
        (":8081", "/", {"X_Forwarded_For": "192.0.2.1"}),
        (":8081", "/", {"method": "TRACE"}),
    ],
    "quoting": [
        ('"0.0.0.0:8080"', "/", {}),
        ('"0.0.0.0:8080"', "/short", {}),
        ('"0.0.0.0:8080"', "/a%20b/c.html", {}),
    ],
    "auth": [
        (":8080", "/", {}),
        (":8080", "/api/x", {}),
        (":8080", "/partner/a", {}),
        (":8080", "/hook/a", {"X_Hook_Secret": "x"}),
    ],
    "stats": [
        (":8080", "/", {}),
        (":8080", "/haproxy-alive", {}),
        (":8081", "/alive", {}),
        (":8081", "/rest/a", {}),
        (":8081", "/rest", {}),
    ],
    "maps": [
        (":8080", "/", {}),
        (":8080", "/", {"Host": "www.example.org"}),
        (":8080", "/", {"Host": "EXAMPLE.org"}),
    ],
    "limits": [(":8080", "/", {"source": "127.0.0.2"})] * 22,
}
"""What is asked of each file: the bind, as the file has it, the path, and how."""
COMPARED = (
    *("x-site", "x-internal", "x-words", "x-hash", "x-escaped", "x-single", "x-percent"),
    "x-after",
)


@pytest.mark.parametrize("name", REQUESTS)
def test_both_answer_alike(name: str, directory: Path) -> None:
    text = prepared(next(path for path in FILES if path.stem == name).read_text(), directory)
    wanted = sorted(set(re.findall(r"\b10\.1\.0\.\d+:\d+", text)))
    with echoes(len(wanted)) as made:
        text = served(text, {}, iter(each.port for each in made))
        # which of a pool's servers it is, is up to the balance of each
        pools = {
            each.port: each.virtual_server
            for each in convert(text, "haproxy.cfg").entities
            if isinstance(each, RealServer)
        }

        def outcome(config: Path, ports: dict[str, int]) -> list[Any]:
            with running(config, next(iter(ports.values()))):
                found: list[Any] = []
                for place, path, how in REQUESTS[name]:
                    tls = ssl.create_default_context(cafile=directory / "ca.pem") if "tls" in how else None
                    seen = ask(ports[place], path, **{**how, "tls": tls, "name": "www.example.org"})
                    headers = {key: seen.headers.get(key) for key in COMPARED}
                    back = seen.answer.get("location")
                    found.append((path, seen.status, seen.path, pools.get(seen.port), headers, back))
                return found

        before: dict[str, int] = {}
        original = directory / "original.cfg"
        original.write_text(bound(text, before))
        expected = outcome(original, before)
        after: dict[str, int] = {}
        converted = convert(bound(text, after), str(original))
        got = outcome(written(site(converted.entities), directory), after)
    assert got == expected
    assert len({(status, pool) for _, status, _, pool, *_ in got}) > 1 or name == "quoting"
