"""One router holds the address and the table, the other neither; requests follow the scheduler."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from tests.lab.lab import Lab
from tests.support.waiting import eventually

pytestmark = pytest.mark.ipvs


def test_one_router_holds_the_address_and_the_table(lab: Lab) -> None:
    assert lab.who_holds() == ("r1",)
    table = lab.routers["r1"].table()
    assert list(table) == ["10.9.0.100:80"]
    service = table["10.9.0.100:80"]
    assert (service.protocol, service.scheduler, service.forwarding) == ("tcp", "rr", frozenset({"DR"}))
    assert service.destinations == {f"10.9.0.{n}:80": 1 for n in (21, 22, 23)}
    assert lab.routers["r2"].table() == {}


def test_requests_go_round_the_real_servers(lab: Lab) -> None:
    begin = time.monotonic()
    eventually(lambda: lab.client.answered_since(begin, 60), "sixty requests in a row are answered")
    seen = lab.client.seen(begin)
    assert seen.failed == 0
    assert max(seen.servers.values()) - min(seen.servers.values()) <= 1, seen.servers
    assert all(one != next_one for one, next_one in pairwise(seen.order)), seen.order
