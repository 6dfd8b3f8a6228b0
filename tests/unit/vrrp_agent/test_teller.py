"""What is told of a takeover."""

from __future__ import annotations

import msgspec

from tests.unit.vrrp_agent.story import config
from vrrp_agent.exchange import Mailbox, Report, TakeoverReport
from vrrp_agent.model import Instance, Phase
from vrrp_agent.teller import Teller


def test_a_takeover_tells_what_could_not_be_added_and_when() -> None:
    outbox: Mailbox[Report] = Mailbox()
    teller = Teller(config(), outbox, lambda _: None)
    arming = Instance(config=config(), phase=Phase.ARMING, epoch=4)
    assert teller.timed(lambda: "10.9.0.100: no such device") == "10.9.0.100: no such device"
    teller.moved(
        arming, msgspec.structs.replace(arming, phase=Phase.ACTIVE), 1.0, "10.9.0.100: no such device"
    )
    (report,) = outbox.take()
    assert isinstance(report, TakeoverReport)
    assert (report.instance, report.epoch, report.problem) == ("vi_1", 4, "10.9.0.100: no such device")
    assert 0 < report.began_ns <= report.ended_ns
