"""What makes no sense in a proxy or a pool is refused, with what to do."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.support.proxy import pool, proxy
from vipbus.contracts import ConfigDocument

TLS = {"certificates": "/etc/c"}
PROXIES: list[tuple[dict[str, Any], str]] = [
    ({"mode": "tcp", "route": [{"deny": 403}]}, "mode http alone"),
    ({"mode": "tcp", "hsts": {}}, "mode http alone"),
    ({"route": [{"pool": "a", "deny": 403}]}, "one of pool, redirect and deny"),
    ({"route": [{"deny": 403, "rewrite": {"regex": "a", "by": "b"}}]}, "needs a pool"),
    ({"route": [{"deny": 418}]}, "418"),
    ({"route": [{"header": [{"name": "a", "value": "b", "regex": "c"}]}]}, "remove one"),
    ({"route": [{"host": ["a*.example"]}]}, "host"),
    ({"route": [{"path": ["a"]}]}, "path"),
    ({"route": [{"redirect": {"to": "//evil.example"}}]}, "to"),
    ({"route": [{"redirect": {"to": "javascript:alert(1)"}}]}, "to"),
    ({"request_header": [{"name": "a", "add": True}]}, "without a value"),
    ({"bind": [{"address": "127.0.0.1", "port": 1, "tls": {"certificates": "etc"}}]}, "certificates"),
    ({"bind": [{"address": "127.0.0.1", "port": 1, "tls": {"certificates": "/etc/"}}]}, "certificates"),
    ({"bind": [{"address": "127.0.0.1", "port": 1, "tls": {**TLS, "client_optional": True}}]}, "client_ca"),
    ({"hsts": {"preload": True}}, "subdomains and a max_age"),
    ({"limit": {}}, "a rate, connections or both"),
    ({"deny": ["10.0.0.0/33"]}, "0-32"),
    ({"monitor_members": 2}, "are for monitor"),
    ({"monitor_drain": True}, "are for monitor"),
    ({"monitor": "/alive", "monitor_members": 0}, ">= 1"),
    ({"mode": "tcp", "compression": {}}, "mode http alone"),
    ({"mode": "tcp", "cache": {}}, "mode http alone"),
    ({"compression": {"algorithms": ["br"]}}, "br"),
    ({"compression": {"algorithms": []}}, "length"),
    ({"compression": {"types": ["text"]}}, "types"),
    ({"cache": {"size": 1, "max_object": 600_000}}, "more than half"),
    ({"bind": []}, "no bind"),
    ({"bind": [], "snippet": "timeout client 5s\nbinder"}, "no bind"),
    ({"snippet": "timeout client 5s\nbackend x"}, "line 2 begins the section 'backend'"),
]
POOLS: list[tuple[dict[str, Any], str]] = [
    ({"balance": {"algorithm": "first"}}, "needs max_connections"),
    ({"balance": {"algorithm": "header"}}, "needs a parameter"),
    ({"balance": {"algorithm": "source", "parameter": "a"}}, "takes no parameter"),
    ({"balance": {"algorithm": "leastconn", "hash": "consistent"}}, "has no hash"),
    ({"mode": "tcp", "balance": {"algorithm": "uri"}}, "mode http alone"),
    ({"mode": "tcp", "persistence": {"kind": "cookie"}}, "mode http alone"),
    ({"persistence": {"kind": "cookie", "same_site": "None"}}, "needs secure"),
    ({"slow_start": 10, "balance": {"algorithm": "static-rr"}}, "choose roundrobin"),
    ({"fallback": "WEB"}, "its own fallback"),
    ({"tls": {}}, "verify needs a name"),
    ({"tls": {"verify": False, "ca": "/a"}}, "without verify"),
    ({"mode": "tcp", "cache": {}}, "mode http alone"),
    ({"snippet": "server a 10.0.0.1\nlisten x"}, "line 2 begins the section 'listen'"),
]


@pytest.mark.parametrize(
    ("entity", "changes", "said"),
    [(proxy(80), *each) for each in PROXIES] + [(pool(), *each) for each in POOLS],
)
def test_it_is_refused(entity: Any, changes: dict[str, Any], said: str) -> None:
    body = msgspec.json.encode(msgspec.to_builtins(entity) | changes)
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.json.decode(body, type=ConfigDocument)


def test_a_proxy_names_every_pool_once() -> None:
    made = msgspec.convert(
        msgspec.to_builtins(proxy(80)) | {"route": [{"pool": "api"}, {"deny": 403}, {"pool": "web"}]},
        ConfigDocument,
    )
    assert made.pools == ("web", "api")


def test_a_bind_of_a_snippet_is_enough() -> None:
    assert proxy(80, bind=(), snippet="bind unix@/run/a.sock\n").bind == ()
