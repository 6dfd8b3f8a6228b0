"""A document that no service could work with is not readable, so none ever has to."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from vipbus.contracts import CONFIG, HEALTH, MEMBER, ROLE, TABLE, Bucket, Entity
from vipbus.contracts.limits import UNREADABLE

MOMENT = "2026-01-01T00:00:00Z"
ENTITIES: Bucket[Any] = msgspec.structs.replace(CONFIG, document=Entity)
"""Virtual and real servers stand in pools there."""
GOOD: dict[str, tuple[Bucket[Any], dict[str, Any]]] = {
    "instance": (
        CONFIG,
        {
            "kind": "vrrp-instance",
            "router": "a",
            "name": "VI_1",
            "interface": "eth0",
            "virtual_router_id": 51,
            "virtual_ipaddress": [{"address": "10.9.0.100", "prefix": 24, "dev": "eth0"}],
        },
    ),
    "virtual server": (
        ENTITIES,
        {
            "kind": "virtual-server",
            "router": "a",
            "address": "fd00::1",
            "port": 80,
            "protocol": "TCP",
            "scheduler": "rr",
            "forwarding": "DR",
        },
    ),
    "real server": (
        ENTITIES,
        {
            "kind": "real-server",
            "router": "a",
            "virtual_server": "10-9-0-100_80_tcp",
            "address": "10.9.0.21",
            "port": 80,
            "checks": [{"kind": "tcp", "address": "10.9.0.21", "port": 80}],
        },
    ),
    "head": (
        CONFIG,
        {
            "kind": "head",
            "router": "a",
            "revision": 1,
            "entities": 0,
            "digest": "",
            "source": "",
            "accepted_at": MOMENT,
        },
    ),
    "role": (
        ROLE,
        {
            "router": "a",
            "instance": "VI_1",
            "role": "active",
            "epoch": 1,
            "priority": 100,
            "virtual_router_id": 51,
            "interface": "eth0",
            "addresses": [],
            "revision": 1,
            "since": MOMENT,
            "cause": "",
        },
    ),
    "verdict": (
        HEALTH,
        {
            "virtual_server": "v",
            "real_server": "r",
            "verdict": "up",
            "cause": "",
            "since": MOMENT,
            "prober": "p",
            "lease": 1,
        },
    ),
    "member": (MEMBER, {"prober": "p", "since": MOMENT, "targets": 0}),
    "instance table": (
        TABLE,
        {
            "kind": "instance",
            "router": "a",
            "instance": "VI_1",
            "epoch": 1,
            "armed": True,
            "virtual_servers": 0,
            "destinations": 0,
            "revision": 1,
        },
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_documents_are_readable(name: str) -> None:
    bucket, document = GOOD[name]
    msgspec.json.decode(msgspec.json.encode(document), type=bucket.document)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("instance", {"name": ""}),
        ("instance", {"router": ""}),
        ("instance", {"virtual_ipaddress": [{"address": "x", "prefix": 24, "dev": "eth0"}]}),
        ("instance", {"virtual_ipaddress": [{"address": "10.9.0.1\0", "prefix": 24, "dev": "eth0"}]}),
        ("virtual server", {"address": "x"}),
        ("virtual server", {"address": "fe80::1%eth0"}),
        ("virtual server", {"port": 70000}),
        ("virtual server", {"port": -1}),
        ("virtual server", {"persistence_timeout": -1}),
        ("virtual server", {"persistence_timeout": 2**40}),
        ("real server", {"address": ""}),
        ("real server", {"weight": -1}),
        ("real server", {"weight": 2**31}),
        ("real server", {"checks": [{"kind": "tcp", "address": "x" * 100, "port": 80}]}),
        ("real server", {"checks": [{"kind": "tcp", "address": "10.9.0.21", "port": 70000}]}),
        ("real server", {"checks": [{"kind": "tcp", "address": "10.9.0.21", "port": 80, "interval": -1}]}),
        ("real server", {"checks": [{"kind": "tcp", "address": "10.9.0.21", "port": 80, "interval": 1e9}]}),
        ("real server", {"checks": [{"kind": "tcp", "address": "10.9.0.21", "port": 80, "retry": -1}]}),
        ("head", {"revision": 2**63}),
        ("head", {"accepted_at": "2026-01-01T00:00:00"}),
        ("role", {"epoch": 2**60}),
        ("role", {"epoch": -1}),
        ("role", {"since": "2026-01-01T00:00:00"}),
        ("verdict", {"since": "2026-01-01T00:00:00"}),
        ("verdict", {"lease": 2**60}),
        ("member", {"prober": ""}),
        ("instance table", {"instance": ""}),
    ],
)
def test_what_nobody_could_work_with_is_not_readable(name: str, wrong: dict[str, Any]) -> None:
    bucket, document = GOOD[name]
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode({**document, **wrong}), type=bucket.document)


def test_a_body_nested_without_end_is_not_readable_either() -> None:
    deep = b'{"kind":"head","more":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    with pytest.raises(UNREADABLE):
        msgspec.json.decode(deep, type=CONFIG.document)
