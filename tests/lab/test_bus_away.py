"""The bus is dead, or worse, does not answer: VRRP elects as before, and the table is there all the same."""

from __future__ import annotations

import signal
import time

import pytest

from tests.lab.lab import Lab
from tests.support.waiting import eventually

pytestmark = pytest.mark.ipvs
GRACE = 0.5


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_failover_without_a_bus(lab: Lab, how: str) -> None:
    r2 = lab.vipbus("r2")
    configuration = r2.state / "nats.conf"
    kept = configuration.read_text()
    if how == "killed":
        configuration.write_text("no configuration\n")  # so that it stays dead
        r2.kill("nats-server")
        eventually(lambda: not r2.ready(), "the loss is noticed")
    else:
        frozen = r2.kill("nats-server", signal.SIGSTOP)

    begin = time.monotonic()
    lab.cut("r1")
    eventually(
        lambda: r2.holds(lab.address) and lab.destinations("r2") == set(lab.servers),
        "r2 holds the address and the table",
        within=lab.declaration.master_down("r2") + GRACE,
    )
    eventually(lambda: lab.client.answered_since(begin, 20), "the client is answered")

    if how == "killed":
        configuration.write_text(kept)
    else:
        assert r2.kill("nats-server", signal.SIGCONT) == frozen
    lab.restore("r1")
    lab.settled("r1")
