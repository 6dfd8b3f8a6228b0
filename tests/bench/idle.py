"""``make bench-idle``: what one instance and five hundred cost while nothing happens."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.bench.figures import milliseconds, ratio, table
from tests.bench.machine import Busy, describe
from tests.bench.process import Usage, usage
from tests.bench.report import write_section
from tests.support.vrrp import Network, Router
from tests.support.waiting import eventually

NAME = "bench-idle"
Program = Literal["vipbus", "keepalived"]
PROGRAMS: tuple[Program, ...] = ("vipbus", "keepalived")
ACTIVE, BACKUP = 150, 100
"""Priorities."""
_START = 60.0
"""Seconds that five hundred instances may take until all are what they should be; a bound, no measure."""
_INTRODUCTION = """\
## Idle cost
An active router and its backup, from the same keepalived.conf: version 3, an address in each instance, an
advertisement a second, half of them IPv4 and half IPv6 where there are several. One program after the
other, alone on the machine, each for {seconds:g} s. CPU is the time on a processor of all its threads, in
thousandths of one processor (clock_getcpuclockid(3); what the kernel does for its packets in interrupts is
in nobody's figure). Memory is of all its processes, each as resident, and as its proportional share where
pages are shared (`smaps_rollup`). vipbus locks its memory, so that all of it is resident; its bus stands
apart, since all services of a router share it. The last column: the active router is cut off, and how long
it takes until the other has every address; the protocol asks for 3.609 s.
"""


@dataclass(frozen=True)
class Cost:
    """What one router costs."""

    program: str
    instances: int
    role: Literal["active", "backup"]
    cpu: float
    """Of one processor, 1 for all of it."""
    processes: int
    resident: int
    """Bytes."""
    shared: int
    """Bytes, of shared pages only its part."""
    takeover: float | None
    """Seconds until the backup has every address; None for the router that was cut off."""


def addresses(instances: int) -> list[tuple[int, str]]:
    """Give the VRID and the address of each instance: each VRID for IPv4 first, then for IPv6."""
    found = []
    for number in range(instances):
        vrid, family = number % 250 + 1, number // 250
        found.append((vrid, f"fd00:88::1:{vrid:x}/64" if family else f"10.88.1.{vrid}/16"))
    return found


def keepalived_conf(router: str, instances: int, priority: int) -> str:
    """Write the file of one router.

    Raises:
        ValueError: more than 500; one interface has 255 VRIDs for each family.
    """
    if instances > 500:
        raise ValueError(f"{instances} instances: at most 500")
    blocks = [f"global_defs {{\n  router_id {router}\n  vrrp_version 3\n}}"]
    blocks += [
        f"vrrp_instance VI_{number} {{\n  state BACKUP\n  interface eth0\n  virtual_router_id {vrid}\n"
        f"  priority {priority}\n  advert_int 1\n  virtual_ipaddress {{\n    {address} dev eth0\n  }}\n}}"
        for number, (vrid, address) in enumerate(addresses(instances), 1)
    ]
    return "\n".join(blocks) + "\n"


def held(router: Router, instances: int) -> int:
    """Count the virtual addresses on its interface."""
    wanted = {address for _, address in addresses(instances)}
    lines = router.namespace.ip("-o", "addr", "show", "dev", "eth0").splitlines()
    return sum(line.split()[3] in wanted for line in lines)


def _start(program: Program, router: Router, text: str) -> None:
    if program == "vipbus":
        router.save_text(text)
        router.start_bus()
        router.start()
    else:
        router.start_keepalived_on(text)


def _used(router: Router, *, bus: bool) -> Usage:
    names = {pid: Path(f"/proc/{pid}/comm").read_text().strip() for pid in router.namespace.pids()}
    return usage(pid for pid, name in names.items() if (name == "nats-server") is bus)


def measure(program: Program, instances: int, seconds: float) -> list[Cost]:
    """Let a pair run for so many seconds, then cut the active router off.

    Raises:
        AssertionError: an instance was not where it belongs, before or after.
    """
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        network = stack.enter_context(Network(directory, "id"))
        active, backup = network.router("a"), network.router("b")
        for router, priority in ((active, ACTIVE), (backup, BACKUP)):
            router.namespace.run("sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6")
            _start(program, router, keepalived_conf(router.name, instances, priority))

        def where() -> tuple[int, int]:
            return held(active, instances), held(backup, instances)

        def all_used() -> dict[tuple[str, bool], Usage]:
            return {
                (router.name, bus): _used(router, bus=bus)
                for router in (active, backup)
                for bus in (False, True)
            }

        what = f"{program}: {instances} instances are active on the router of higher priority alone"
        since = 0.0

        def settled() -> bool:
            nonlocal since
            now = time.monotonic()
            since = (since or now) if where() == (instances, 0) else 0.0
            return bool(since) and now - since > 5

        eventually(settled, what, within=_START, every=0.5)
        before = all_used()
        began = time.monotonic()
        time.sleep(seconds)  # what is measured is that nothing happens
        after = all_used()
        lasted = time.monotonic() - began
        assert where() == (instances, 0), f"{program}: {where()} of {instances} instances moved while idle"
        began = time.monotonic()
        active.cut_off()
        what = f"{program}: the other router has all {instances} addresses"
        eventually(lambda: held(backup, instances) == instances, what, within=_START, every=0.02)
        takeover = time.monotonic() - began
        return [
            Cost(
                program=f"{program}'s bus" if bus else program,
                instances=instances,
                role="active" if router is active else "backup",
                cpu=(after[router.name, bus].seconds - before[router.name, bus].seconds) / lasted,
                processes=after[router.name, bus].processes,
                resident=after[router.name, bus].resident,
                shared=after[router.name, bus].shared,
                takeover=takeover if router is backup and not bus else None,
            )
            for bus in (False, True)
            for router in (active, backup)
            if after[router.name, bus].processes
        ]


def show(found: Sequence[Cost]) -> str:
    """Make the table; a ratio is vipbus over that row."""
    ours = {(each.instances, each.role): each for each in found if each.program == "vipbus"}
    rows = []
    for each in found:
        mine = ours.get((each.instances, each.role)) if each.program == "keepalived" else None
        rows.append(
            (
                str(each.instances),
                each.role,
                each.program,
                f"{each.cpu * 1000:.2f}",
                ratio(mine.cpu, each.cpu) if mine else "",
                str(each.processes),
                f"{each.resident / 1e6:.1f}",
                f"{each.shared / 1e6:.1f}",
                ratio(mine.shared, each.shared) if mine else "",
                milliseconds(each.takeover) if each.takeover is not None else "",
            )
        )
    header = (
        "instances",
        "role",
        "program",
        "CPU, 1/1000",
        "ratio",
        "processes",
        "resident MB",
        "share MB",
        "ratio",
    )
    return table((*header, "all taken over ms"), rows)


def run(counts: Iterable[int], programs: Sequence[Program], seconds: float) -> list[Cost]:
    """Measure each program with each number of instances."""
    return [each for count in counts for program in programs for each in measure(program, count, seconds)]


def main() -> None:
    """Measure, print, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long each (60)")
    parser.add_argument("--instances", default="1,500", help="how many (1,500)")
    parser.add_argument("--programs", default=",".join(PROGRAMS), help=f"of {', '.join(PROGRAMS)}")
    parser.add_argument("--short", action="store_true", help="2 seconds each")
    parser.add_argument("--write", type=Path, help="the file whose section is replaced")
    options = parser.parse_args()
    seconds = 2.0 if options.short else options.seconds
    counts = [int(each) for each in options.instances.split(",")]
    programs = [program for program in PROGRAMS if program in options.programs.split(",")]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # what it started is to end with it
    busy = Busy()
    found = run(counts, programs, seconds)
    print(show(found))
    if options.write:
        machine = f"Machine: {describe()}. It was busy {busy.share():.0%}."
        introduction = _INTRODUCTION.format(seconds=seconds).strip()
        write_section(options.write, NAME, f"{introduction}\n\n{show(found)}\n\n{machine}")
        print(f"written to {options.write}")


if __name__ == "__main__":
    main()
