"""HAProxy's own checks, queues and peers in vipbus.toml: what is read, and what is refused where."""

from __future__ import annotations

import json
import tomllib

import jsonschema
import pytest

from config_service.native.document import read
from config_service.problems import ConfigError, Problem
from config_service.schema import text
from vipbus.contracts import (
    AgentCheck,
    HaproxyHttpCheck,
    ProxyPeer,
    ProxyPeers,
    ProxyPool,
    StatusRange,
)

DOCUMENT = """
[router.lb-a]
address = "192.0.2.2"

[router.lb-b]
address = ["192.0.2.3", "2001:db8::3"]

[router.lb-b.proxy_peers]
address = "198.51.100.3"

[proxy_peers]
port = 8555

[[proxy]]
name = "web"
bind = ["192.0.2.10:80"]
pool = "app"

[[pool]]
name = "app"
weight = 100
max_connections = 100
max_queue = 20
haproxy_check = { kind = "http", path = "/health", interval = "500ms", status = ["200-299", 404] }
agent_check = { port = 9999, send = "app" }
real_server = [{ address = "10.1.0.21:8080" }]
"""


def test_checks_and_peers_are_read() -> None:
    warnings: list[Problem] = []
    found = read(DOCUMENT, "v.toml", "lb-a", str, warnings)
    assert warnings == []
    jsonschema.validate(tomllib.loads(DOCUMENT), json.loads(text()))
    pool = next(each for each in found if isinstance(each, ProxyPool))
    status = (StatusRange(first=200, last=299), StatusRange(first=404, last=404))
    assert pool.haproxy_check == HaproxyHttpCheck(path="/health", interval=0.5, status=status)
    assert pool.agent_check == AgentCheck(port=9999, send="app")
    assert (pool.max_connections, pool.max_queue, pool.checks_itself) == (100, 20, True)
    peers = (
        ProxyPeer(router="lb-a", address="192.0.2.2", port=8555),
        ProxyPeer(router="lb-b", address="198.51.100.3", port=8555),
    )
    for router in ("lb-a", "lb-b"):
        found = read(DOCUMENT, "v.toml", router, str)
        assert [each for each in found if isinstance(each, ProxyPeers)] == [
            ProxyPeers(router=router, peers=peers)
        ]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "max_connections",
            'check = [{ kind = "tcp" }]\nmax_connections',
            "pool[0].check[0]: HAProxy checks this pool by itself",
        ),
        (
            '"10.1.0.21:8080"',
            '"10.1.0.21:8080", check = [{ kind = "tcp" }]',
            "pool[0].real_server[0].check: HAProxy checks this pool by itself",
        ),
        ("max_connections = 100\n", "", "pool[0]: max_queue means nothing without max_connections"),
        ("port = 9999", "port = 0", "pool[0].agent_check: an agent needs a port"),
        ("port = 9999", 'port = 1, address = "a b"', "pool[0].agent_check: 'a b' is no IP address"),
        ('send = "app"', 'send = "a\\nb"', "pool[0].agent_check.send: "),
        ('"500ms"', "0", "pool[0].haproxy_check: interval is 0"),
        ('"/health"', '"/health HTTP/1.0\\n"', "pool[0].haproxy_check.path: "),
        ('kind = "http"', 'kind = "tcp"', "pool[0].haproxy_check.path: unknown key"),
        ('"200-299", 404', "", "pool[0].haproxy_check: status is empty"),
        ("port = 8555", "prt = 8555", "proxy_peers.prt: unknown key"),
        (
            "[proxy_peers]\nport = 8555",
            "[proxy_peers]\nport = 0",
            "proxy_peers.peers[0]: 192.0.2.2 has no port",
        ),
        (
            "[proxy_peers]\nport = 8555",
            '[proxy_peers]\naddress = "192.0.2.9"',
            "proxy_peers.port: there is no",
        ),
        ('"198.51.100.3"', '"here"', "router.lb-b.proxy_peers.address: "),
        ('address = "192.0.2.2"\n', "", "proxy_peers: lb-a has no address"),
    ],
)
def test_what_is_refused(old: str, new: str, says: str) -> None:
    assert old in DOCUMENT
    with pytest.raises(ConfigError) as refused:
        read(DOCUMENT.replace(old, new, 1), "v.toml", "lb-a", str)
    assert any(each.text.startswith(says) for each in refused.value.problems), refused.value.problems


def test_without_routers_there_is_nobody_to_tell() -> None:
    document = DOCUMENT[DOCUMENT.index("[proxy_peers]") :]
    with pytest.raises(ConfigError) as refused:
        read(document, "v.toml", "lb-a", str)
    assert "there is no router to tell" in refused.value.problems[0].text
