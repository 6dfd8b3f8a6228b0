"""Someone else edits the table: what is ours is repaired and told of, what is not is left alone."""

from __future__ import annotations

import pytest

from tests.lab.lab import Lab
from tests.support.waiting import eventually

pytestmark = pytest.mark.ipvs
FOREIGN = "10.9.0.100:8443"


def test_a_removed_destination_is_repaired_and_a_foreign_service_left_alone(lab: Lab) -> None:
    r1 = lab.vipbus("r1")
    before = len(r1.events("vipbus.event.table.>"))
    r1.ipvsadm("-A", "-t", FOREIGN, "-s", "wlc")
    r1.ipvsadm("-a", "-t", FOREIGN, "-r", "10.9.0.77:8443", "-g", "-w", "7")
    r1.ipvsadm("-d", "-t", f"{lab.address}:80", "-r", "10.9.0.21:80")
    try:
        eventually(lambda: "s1" in lab.destinations("r1"), "the destination is put back", within=15)
        events: list[dict[str, object]] = []

        def told() -> bool:
            events[:] = r1.events("vipbus.event.table.>")[before:]
            return bool(events)

        eventually(told, "the repair is an event")
        assert "10.9.0.21:80" in str(events)
        assert "8443" not in str(events)
        assert r1.table()[FOREIGN].destinations == {"10.9.0.77:8443": 7}

        lab.close_port("s2")  # another write of the same table
        eventually(lambda: lab.destinations("r1") == {"s1", "s3"}, "s2 has left")
        lab.open_port("s2")
        eventually(lambda: "s2" in lab.destinations("r1"), "s2 is back")
        assert r1.table()[FOREIGN].destinations == {"10.9.0.77:8443": 7}
    finally:
        r1.ipvsadm("-D", "-t", FOREIGN)
