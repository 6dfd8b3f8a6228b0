"""One router runs vrrp-agent and the other keepalived: one master at a time, and no packet refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.capture import Capture
from tests.support.vrrp import Network, instance, needs_root
from tests.support.waiting import eventually

pytestmark = needs_root

_REFUSED = re.compile(
    r"invalid|bogus|mismatch|incorrect|checksum|drop|unexpected|expected|wrong", re.IGNORECASE
)


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with Network(tmp_path) as made:
        yield made


@pytest.fixture
def capture(network: Network, tmp_path: Path) -> Iterator[Capture]:
    recording = Capture(network.switch, tmp_path)
    recording.start()
    yield recording
    recording.stop()


VARIANTS = [(2, 1.0), (3, 0.1)]


@pytest.mark.parametrize("ours_first", [True, False], ids=["vipbus-first", "keepalived-first"])
@pytest.mark.parametrize(("version", "interval"), VARIANTS)
def test_failover_both_ways(
    network: Network, capture: Capture, version: int, interval: float, ours_first: bool
) -> None:
    ours, theirs = network.router("ours"), network.router("theirs")
    settings = {"version": version, "advert_int": interval}
    mine = instance("ours", priority=150 if ours_first else 100, **settings)
    other = instance("theirs", priority=100 if ours_first else 150, **settings)
    ours.save(mine)

    def start_ours() -> None:
        ours.start()

    def start_theirs() -> None:
        theirs.start_keepalived(other)

    first, second = (ours, theirs) if ours_first else (theirs, ours)
    start_first, start_second = (start_ours, start_theirs) if ours_first else (start_theirs, start_ours)
    down = 3 * interval + (256 - 100) / 256 * (interval if version == 3 else 1.0)

    start_first()
    network.held_by(first, down + 3)
    start_second()
    ready = "is active with priority" if second is ours else "Entering BACKUP STATE"
    eventually(lambda: ready in second.output(), "the second is backup")

    # a crash: the other follows, and gives it back when the first returns
    first.crash()
    took = eventually(second.holds, "the second took over", within=down + 2)
    assert took < down + 0.5
    # a machine that crashed comes back without the address
    first.namespace.ip("addr", "flush", "dev", "eth0", "to", "10.88.0.100")
    first.restore()
    start_first()
    network.held_by(first, down + 3)

    # a stop, then the first alone comes back
    first.terminate()
    network.held_by(second, 4)
    first.exit_status()
    start_first()
    network.held_by(first, down + 3)
    network.held_by(first, 1)

    capture.stop()
    assert capture.malformed() == ""
    refused = [line for line in theirs.output().splitlines() if _REFUSED.search(line)]
    assert refused == []
    assert "Traceback" not in ours.output()
    # two masters at a time would alternate in this list
    assert len(capture.masters(51)) <= 5, capture.masters(51)


def test_addresses_that_differ_are_said_and_do_not_matter(network: Network) -> None:
    from vipbus.contracts import VirtualAddress  # noqa: PLC0415

    ours, theirs = network.router("ours"), network.router("theirs")
    more = (
        *instance("x").virtual_ipaddress,
        VirtualAddress(address="10.88.0.101", prefix=24, dev="eth0"),
    )
    theirs.start_keepalived(instance("theirs", priority=150, virtual_ipaddress=more))
    network.held_by(theirs, 6)
    ours.save(instance("ours"))
    ours.start()
    eventually(lambda: "advertises 10.88.0.100 10.88.0.101" in ours.output(), "it says so")
    eventually(lambda: "is active with priority 150" in ours.output(), "it is backup all the same")
