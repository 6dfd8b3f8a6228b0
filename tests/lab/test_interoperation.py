"""vipbus beside keepalived 2.2.7, both ways round, in VRRP 2 and 3: one master at a time, nothing refused."""

from __future__ import annotations

import re
import time

import pytest

from tests.lab.declare import NETWORK, Declaration, Instance, RouterSpec
from tests.lab.lab import Lab
from tests.support.waiting import eventually

pytestmark = pytest.mark.ipvs
GRACE = 0.5
INSTANCES = (
    Instance(name="VI_3", virtual_router_id=53, version=3, address=f"{NETWORK}.103"),
    Instance(name="VI_2", virtual_router_id=52, version=2, address=f"{NETWORK}.102"),
)
REFUSED = re.compile(r"bogus|mismatch|invalid|incorrect|refused|malformed|checksum|dropp", re.IGNORECASE)
"""How either side would say in its log that it did not take a packet."""


@pytest.mark.parametrize(("first", "second"), [("vipbus", "keepalived"), ("keepalived", "vipbus")])
def test_failover_with_keepalived(first: str, second: str) -> None:
    declaration = Declaration(
        routers=(RouterSpec("r1", 150, first), RouterSpec("r2", 100, second)),  # type: ignore[arg-type]  # only the two names there are
        instances=INSTANCES,
    )
    with Lab(declaration) as lab, lab.capture() as capture:
        lab.start_client()
        lab.settled("r1")

        lab.cut("r1")
        eventually(
            lambda: lab.serves("r2"),
            f"{second} took over from {first}",
            within=max(declaration.master_down("r2", instance) for instance in INSTANCES) + GRACE,
        )
        lab.settled("r2")

        lab.restore("r1")
        lab.settled("r1")
        begin = time.monotonic()
        eventually(lambda: lab.client.answered_since(begin, 60), "steady traffic")
        assert lab.client.seen(begin).failed == 0

        capture.stop()
        assert capture.malformed() == ""
        addresses = [declaration.router_address(name) for name in ("r1", "r2")]
        for instance in INSTANCES:
            reigns = capture.masters(instance.virtual_router_id)
            assert reigns == [addresses[0], addresses[1], addresses[0]], "one master at a time"
        for router in lab.routers.values():
            complaints = [line for line in router.log.read_text().splitlines() if REFUSED.search(line)]
            assert not complaints
