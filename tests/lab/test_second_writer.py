"""A second writer flushes the table every second for a minute, and edits weights; traffic comes back."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipvs_programmer.ipvs import IpvsKernel
from tests.lab.declare import PORT, Declaration, RouterSpec, Timing
from tests.lab.lab import Lab
from tests.lab.router import Vipbus
from tests.support.waiting import eventually

pytestmark = [pytest.mark.ipvs, pytest.mark.timeout(300)]

_MINUTE = 60.0
_EVERY = 1.0
_DRIFT_INTERVAL = 0.25
_SLOW = 1.0
"""Seconds that an emulated kernel may add to anything."""
_SLOWEST = 5.0
"""Likewise, once in a while, on a machine that others use."""
_GROWTH = 8 * 1024 * 1024
"""Octets: sixty leaks of a table's document would be more."""
FOREIGN = "10.9.0.100:8443"


@pytest.fixture
def second() -> Iterator[Lab]:
    """Give one router that looks for changes by others four times a second, two real servers and traffic."""
    declaration = Declaration(
        routers=(RouterSpec("r1", 150),),
        servers=("s1", "s2"),
        timing=Timing(delay_loop=5, connect_timeout=5, retry=3),
        environment=(("VIPBUS_DRIFT_INTERVAL", str(_DRIFT_INTERVAL)),),
    )
    with Lab(declaration) as lab:
        lab.start_client(every=0.1)
        lab.settled("r1", within=120)
        yield lab


class Witness:
    """Reads the table without a process of its own, so that a repair can be timed."""

    def __init__(self, router: Vipbus) -> None:
        self._router = router
        self._kernel = IpvsKernel()
        with router.namespace.entered():
            self._kernel.read()  # the socket that this opens stays there

    def weights(self, address: str, port: int) -> dict[str, int] | None:
        """Give a service's destinations; None where there is no such service."""
        for key, pool in self._kernel.read().items():
            if str(key) == f"TCP {address}:{port}":
                return {str(of): each.weight for of, each in pool.destinations.items()}
        return None


def held(pid: int) -> tuple[int, int]:
    """Count a process's descriptors and its resident octets."""
    status = Path(f"/proc/{pid}/status").read_text()
    resident = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    return len(list(Path(f"/proc/{pid}/fd").iterdir())), int(resident) * 1024


def test_each_flush_and_each_edit_is_repaired_and_told_of(second: Lab) -> None:
    r1 = second.vipbus("r1")
    witness = Witness(r1)
    whole = {f"{second.declaration.server_address(name)}:{PORT}": 1 for name in second.declaration.servers}
    assert witness.weights(second.address, PORT) == whole
    pid = r1.pid("ipvs-programmer")
    assert pid is not None

    def repaired(what: str) -> float:
        return eventually(
            lambda: witness.weights(second.address, PORT) == whole, what, within=_DRIFT_INTERVAL + _SLOWEST
        )

    def flush_and_edit() -> tuple[float, float]:
        r1.ipvsadm("-C")
        r1.ipvsadm("-A", "-t", FOREIGN, "-s", "wlc")
        r1.ipvsadm("-a", "-t", FOREIGN, "-r", "10.9.0.77:8443", "-g", "-w", "7")
        flushed = repaired("a flush is repaired")
        r1.ipvsadm("-e", "-t", f"{second.address}:{PORT}", "-r", f"10.9.0.21:{PORT}", "-g", "-w", "0")
        edited = repaired("an edit is repaired")
        assert witness.weights(second.address, 8443) == {"10.9.0.77:8443": 7}
        return flushed, edited

    def told() -> list[str]:
        return [str(each) for each in r1.events("vipbus.event.table.>")]

    flush_and_edit()  # what is allocated once is allocated
    eventually(lambda: len(told()) == 2, "the first two repairs are events", within=60)
    descriptors, octets = held(pid)
    begin = time.monotonic()
    took: list[tuple[float, float]] = []
    while time.monotonic() < begin + _MINUTE:
        took.append(flush_and_edit())
        time.sleep(max(0.0, begin + len(took) * _EVERY - time.monotonic()))
    count = len(took)
    assert count >= 10, "the second writer was too slow itself"
    seen = second.client.seen(begin)
    for what, seconds in zip(("flushes", "edits"), zip(*took, strict=True), strict=True):
        usual = statistics.median(seconds)
        print(f"{count} {what}, repaired after {usual:.2f} s, at most {max(seconds):.2f} s; {seen}")
        assert usual < _DRIFT_INTERVAL + _SLOW, seconds
    assert seen.longest_gap < _DRIFT_INTERVAL + _SLOWEST, seen
    assert seen.good > seen.failed, seen

    events: list[str] = []

    def all_told() -> bool:
        events[:] = told()[2:]
        return len(events) >= 2 * count

    eventually(all_told, "every repair is an event", within=60)
    assert sum(f"add service TCP {second.address}:{PORT}" in each for each in events) == count
    assert sum("edit destination 10.9.0.21:80" in each for each in events) == count
    assert "8443" not in "".join(events)
    eventually(r1.ready, "everything is ready", within=60)
    assert r1.pid("ipvs-programmer") == pid, "nothing was started again"
    after = held(pid)
    print(f"descriptors {descriptors} -> {after[0]}, resident {octets} -> {after[1]}")
    assert after[0] <= descriptors
    assert after[1] < octets + _GROWTH
