"""Proxies and pools become a document and the same again, for one router or two, in TOML that people read."""

from __future__ import annotations

import tomllib
from random import Random
from typing import Any, Final

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from config_service.native.schema import schema
from tests.unit.config_service.native.documents import validator
from tests.unit.config_service.native.test_written import again, by_key, written
from vipbus.contracts import Entity, Proxy, pool_token

LINES: Final = (
    'acl a path -m beg /a\nhttp-request deny if a { src 10.0.0.1 } # it\'s "so" \\#1\n',
    'log-format "${HAPROXY_FORMAT} $${X} %ci"',
    "stats uri /''' \n\n\n# a '''\n",
    'http-request return string "\\x41 \\" ü €"\n',
    "timeout client-fin 5s'",
)
HEADERS: Final = [{"name": "X-A", "value": 'it\'s "b" ${c}'}, {"name": "X-Gone"}]
TLS: Final = {"certificates": "/etc/c", "minimum": "1.3", "client_ca": "/etc/ca.pem", "client_optional": True}
ROUTES: Final = [
    {"host": ["a.example", "*.b.example"], "path_prefix": ["/x/"], "pool": "b"},
    {"path_regex": [r"\.css$", "(?i)^/'q\"$"], "deny": 404},
    {"method": ["GET"], "header": [{"name": "X-B", "value": "1"}], "redirect": {"to": "/n", "status": 308}},
    {"path": ["/r"], "pool": "a", "rewrite": {"regex": "^/r(.*)", "by": r"/\1"}, "request_header": HEADERS},
]
FRONT: Final[dict[str, list[Any]]] = {
    "max_connections": [10],
    "timeouts": [{"client": 1.5, "http_request": 60}, {"http_keep_alive": 0.001}],
    "forwarded_for": [False],
    "deny": [["10.0.0.0/8", "2001:db8::1"]],
    "limit": [{"rate": 7}, {"connections": 3, "rate": 9, "period": 60, "status": 503, "size": 1000}],
    "redirect_https": [443],
    "redirect_status": [301],
    "hsts": [{}, {"max_age": 31536000, "subdomains": True, "preload": True}],
    "route": [ROUTES[:1], ROUTES],
    "request_header": [HEADERS],
    "response_header": [[*HEADERS, {"name": "X-C", "value": "d", "add": True}]],
    "compression": [{}, {"algorithms": ["deflate", "gzip"], "types": [], "offload": True}],
    "cache": [{}, {"size": 64, "max_object": 4096, "max_age": 3600}],
    "monitor": ["/alive"],
    "instance": [None],
    "snippet": [*LINES],
}
BACK: Final[dict[str, list[Any]]] = {
    "balance": [
        {"algorithm": "leastconn"},
        {"algorithm": "header", "parameter": "x-a", "hash": "consistent"},
    ],
    "timeouts": [{"server": 90, "tunnel": 86400.0}],
    "retries": [0],
    "max_connections": [5],
    "persistence": [
        {"kind": "cookie", "name": "C", "secure": True, "same_site": "None", "max_life": 60},
        {"kind": "cookie"},
        {"kind": "source", "expire": 60},
    ],
    "fallback": ["c"],
    "tls": [{"name": "in.example", "ca": "/etc/ca.pem", "http2": True}, {"verify": False}],
    "send_proxy": ["v2"],
    "drain_timeout": [0.0],
    "slots": [64],
    "compression": [{}],
    "cache": [{"max_age": 1}],
    "haproxy_check": [
        {"kind": "tcp", "interval": 0.5, "fall": 1, "port": 81},
        {"kind": "http", "path": "/h", "host": "a.example", "status": [{"first": 200, "last": 404}]},
    ],
    "agent_check": [
        {"port": 9},
        {"port": 9, "address": "10.0.0.9", "interval": 60, "send": 'it\'s \\ "${X}"'},
    ],
    "snippet": [*LINES],
}
BINDS: Final = [
    {"address": "192.0.2.1", "port": 80},
    {"address": "0.0.0.0", "port": 443, "tls": TLS},
    {"address": "::", "port": 8443, "accept_proxy": True, "tls": {"certificates": "/etc/c"}},
    {"address": "fd00::1", "port": 1},
]


def some(chance: Random, table: dict[str, list[Any]]) -> dict[str, Any]:
    return {key: chance.choice(each) for key, each in table.items() if chance.random() < 0.4}


def made(chance: Random, router: str = "r1") -> tuple[Entity, ...]:
    """Make a proxy, and pools that it hands to."""
    whose = {"router": router}
    binds = chance.sample(BINDS, chance.randint(1, 4))
    found: list[Any] = [{"kind": "proxy", "name": "W eb", "bind": binds, "pool": "a", **some(chance, FRONT)}]
    if chance.random() < 0.5:
        said = {f"{each}_snippet": chance.choice(LINES) for each in ("global", "defaults")}
        found.append({"kind": "proxy-settings", **said})
    for name in "abc":
        back = some(chance, BACK) if name != "c" else {}
        if "max_connections" in back and chance.random() < 0.5:
            back["max_queue"] = 3
        found.append({"kind": "proxy-pool", "name": name, **back})
        checks = [
            {"kind": "tcp", "address": "10.0.0.1", "port": 80, "interval": 2.0},
            {"kind": "http", "address": "10.0.0.1", "port": 8080, "requests": [{"path": "/h", "status": []}]},
        ]
        for number in range(1, chance.randint(1, 4)):
            address = f"10.0.0.{number}"
            real = {"kind": "real-server", "virtual_server": pool_token(name), "address": address, "port": 80}
            own = "haproxy_check" in back or "agent_check" in back
            its = [{**each, "address": address} for each in checks[: 0 if own else chance.randint(0, 2)]]
            found.append({**real, "weight": chance.choice([1, 5]), "checks": its})
    return tuple(msgspec.convert({**each, **whose}, Entity) for each in found)  # type: ignore[misc]


VALID = validator(schema())
SEEDS = st.integers(0, 2**32)


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_one_router_is_the_same_again(seed: int) -> None:
    entities = made(Random(seed))
    text, secrets = written({"r1": entities})
    assert again(text, secrets, "r1") == by_key(entities)
    if seed % 5 == 0:
        assert [each.message for each in VALID.iter_errors(tomllib.loads(text))] == []


@given(SEEDS, SEEDS)
@settings(max_examples=50, deadline=None)
def test_two_routers_are_the_same_again(seed: int, other: int) -> None:
    routers = {"r1": made(Random(seed)), "r2": made(Random(other), "r2")}
    text, secrets = written(routers)
    for router, entities in routers.items():
        assert again(text, secrets, router) == by_key(entities)


def test_a_snippet_reads_as_it_is() -> None:
    entities = by_key(made(Random(1)))
    proxy = next(each for each in entities.values() if isinstance(each, Proxy))
    with_lines = msgspec.structs.replace(proxy, snippet=LINES[0])
    entities[proxy.key] = with_lines
    text, _ = written({"r1": tuple(entities.values())})
    assert f"snippet = '''\n{LINES[0]}'''\n" in text
