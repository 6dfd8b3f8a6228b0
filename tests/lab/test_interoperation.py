"""vipbus beside keepalived 2.2.7, both ways round, in VRRP 2 and 3: one master at a time, nothing refused."""

from __future__ import annotations

import re
import time

import pytest

from tests.lab.declare import NETWORK, Declaration, Instance, RouterSpec
from tests.lab.lab import Lab
from tests.lab.router import Vipbus
from tests.support.waiting import eventually

pytestmark = pytest.mark.ipvs
GRACE = 0.5
INSTANCES = (
    Instance(name="VI_3", virtual_router_id=53, version=3, address=f"{NETWORK}.103"),
    Instance(name="VI_2", virtual_router_id=52, version=2, address=f"{NETWORK}.102"),
)
REFUSED = re.compile(r"bogus|mismatch|invalid|incorrect|malformed|checksum|dropp|expected", re.IGNORECASE)
"""How keepalived says in its log that it did not take a packet."""


@pytest.mark.parametrize(("first", "second"), [("vipbus", "keepalived"), ("keepalived", "vipbus")])
def test_failover_with_keepalived(first: str, second: str) -> None:
    declaration = Declaration(
        routers=(RouterSpec("r1", 150, first), RouterSpec("r2", 100, second)),  # type: ignore[arg-type]  # only the two names there are
        instances=INSTANCES,
    )
    with Lab(declaration) as lab:
        lab.start_client()
        lab.settled("r1")
        with lab.capture() as capture:
            fail_over_and_back(lab, second)

        assert capture.malformed() == ""
        addresses = [declaration.router_address(name) for name in ("r1", "r2", "r1")]
        for instance in INSTANCES:
            assert capture.masters(instance.virtual_router_id) == addresses, "one master at a time"
        assert_nothing_refused(lab)


def assert_nothing_refused(lab: Lab) -> None:
    """No packet was refused by either side: keepalived says so in its log, vipbus counts."""
    for router in lab.routers.values():
        if isinstance(router, Vipbus):
            received = router.metric("vrrp-agent", "vipbus_vrrp_advertisements_received_total")
            assert received > 0, "there was something to refuse"
            assert router.metric("vrrp-agent", "vipbus_vrrp_packets_dropped_total") == 0
            assert router.metric("vrrp-agent", "vipbus_vrrp_advertisements_dropped_total") == 0
            assert router.metric("vrrp-agent", "vipbus_vrrp_address_list_mismatches_total") == 0
        else:
            assert not [line for line in router.log.read_text().splitlines() if REFUSED.search(line)]


def fail_over_and_back(lab: Lab, second: str) -> None:
    """Cut r1 off, see r2 take over in time, bring r1 back, see it take over again."""
    begin = time.monotonic()
    eventually(lambda: lab.client.answered_since(begin, 60), "steady traffic")
    assert lab.client.seen(begin).failed == 0

    lab.cut("r1")
    slowest = max(lab.declaration.master_down("r2", instance) for instance in INSTANCES)
    eventually(lambda: lab.serves("r2"), f"r2 ({second}) took over", within=slowest + GRACE)
    lab.settled("r2")

    lab.restore("r1")
    lab.settled("r1")
    begin = time.monotonic()
    eventually(lambda: lab.client.answered_since(begin, 60), "steady traffic")
    assert lab.client.seen(begin).failed == 0
