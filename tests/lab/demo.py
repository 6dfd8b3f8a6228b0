"""``make demo``: two vipbus routers, three real servers, a client; what breaks, and what the client notices.

Everything shown is measured: addresses come from the kernel, tables from ipvsadm, events from ``vipbus
events``, requests from the client's own record. The exit status is 0 only when every step did what it should.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tests.lab.client import EVERY, Seen
from tests.lab.declare import Declaration, RouterSpec
from tests.lab.lab import Lab
from tests.lab.traffic import BROKEN
from tests.support.waiting import eventually

_CALM = 1.0
"""Seconds of traffic after each step, so that it shows how things are now."""
_GRACE = 0.5
_SHOWN = ("state.role.", "state.health.", "state.table.", "event.")
_BARE = {"timed out", "No route to host", f"{BROKEN}Connection reset by peer", f"{BROKEN}timed out"}
"""How a request fails while nobody holds the address, and one whose connection was open when that began."""


@dataclass(frozen=True)
class Step:
    """Something is done; then something must become true in time, and the client may notice so much."""

    title: str
    command: str
    """What is done, as it could be done by hand."""
    act: Callable[[], float | None]
    """Returns the moment from which the time counts (monotonic seconds); None: it was done at once."""
    goal: str
    reached: Callable[[], bool]
    within: float
    may_fail: Callable[[Seen], bool] = lambda _seen: False
    """Whether what the client saw is as it should be although requests failed."""


@dataclass(frozen=True)
class Outcome:
    """How a step went."""

    title: str
    took: float | None
    """Seconds until the goal was reached; None: it was not in time."""
    within: float
    seen: Seen
    good: bool


class Demo:
    """The story, told while it happens."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._told = dict.fromkeys(lab.routers, 0)
        self._logged = dict.fromkeys(lab.routers, 0)

    def steps(self) -> tuple[Step, ...]:
        """List what is done, in order."""
        lab, everyone = self._lab, frozenset(self._lab.servers)
        timing, back = lab.declaration.timing, 40.0
        r1, r2 = lab.vipbus("r1"), lab.vipbus("r2")
        killed: list[int | None] = [None]

        def kill_bus() -> None:
            killed[:] = [r1.kill("nats-server")]

        def stop() -> None:
            r1.stop()

        return (
            Step(
                "kill real server s2",
                "kill -9 the web server on s2",
                lambda: lab.close_port("s2"),
                "s2 leaves the table of r1",
                lambda: lab.destinations("r1") == everyone - {"s2"},
                timing.detection + _GRACE,
                # a third of the requests go to a closed port until the check has seen it
                may_fail=lambda seen: set(seen.errors) <= {"Connection refused"},
            ),
            Step(
                "bring s2 back",
                "start the web server on s2",
                lambda: lab.open_port("s2"),
                "s2 is in the table of r1 again",
                lambda: lab.destinations("r1") == everyone,
                timing.delay_loop + _GRACE,
            ),
            Step(
                "cut router r1 off",
                "kill -9 every process on r1 and pull its cable",
                lambda: lab.cut("r1"),
                "r2 holds the address and the table",
                lambda: lab.who_holds() == ("r2",) and lab.destinations("r2") == everyone,
                lab.declaration.master_down("r2") + _GRACE,
                # nobody holds the address until the master-down interval is over; that is VRRP
                may_fail=lambda seen: set(seen.errors) <= _BARE,
            ),
            Step(
                "bring r1 back",
                "start vipbus on r1 and plug its cable in",
                lambda: lab.restore("r1"),
                "r1, of higher priority, holds the address and the table again",
                lambda: lab.serves("r1") and lab.who_holds() == ("r1",) and r1.ready(),
                back,
                may_fail=lambda seen: set(seen.errors) <= _BARE,
            ),
            Step(
                "kill the bus on r1",
                "kill -9 nats-server on r1, which holds the address",
                kill_bus,
                "the bus runs again, r1 held the address all the time",
                lambda: r1.pid("nats-server") not in (None, *killed) and lab.serves("r1") and r1.ready(),
                back,
            ),
            Step(
                "stop r1 in order",
                "kill -TERM vipbus on r1",
                stop,
                "r2 serves, r1 has neither address nor table",
                lambda: lab.serves("r2") and not r1.table() and r2.ready(),
                back,
                # a connection that is open at that moment is not known to r2
                may_fail=lambda seen: seen.refused == 0 and seen.failed <= 2,
            ),
        )

    def run(self) -> bool:
        """Tell the story; return whether every step did what it should."""
        lab = self._lab
        lab.start_client()
        begin = "vipbus run on r1 (priority 150) and r2 (100); the client asks"
        print(line(clock(), "START", f"{begin} {lab.address}:80 every {EVERY * 1000:.0f} ms"), flush=True)
        took = lab.settled("r1")
        self._timeline(line(clock(), "DONE", f"r1 serves, all is ready: {took:.1f} s from nothing"))
        self._situation(None)
        outcomes = []
        for number, step in enumerate(self.steps(), 1):
            print(f"\n=== {number}. {step.title}")
            outcomes.append(self._take(step))
        summary(outcomes)
        return all(outcome.good for outcome in outcomes)

    def _take(self, step: Step) -> Outcome:
        begin = time.monotonic()
        print(line(clock(), "DO", step.command), flush=True)
        took = None
        try:
            counted = step.act() or begin
            left = max(0.0, step.within - (time.monotonic() - counted))
            eventually(step.reached, step.goal, within=left)
            took = time.monotonic() - counted
            result = line(clock(), "DONE", f"{step.goal}: {took:.2f} s (at most {step.within:.1f} s)")
        except AssertionError as error:
            result = line(clock(), "MISSED", f"{step.goal}: {error}")
        calm = time.monotonic() + _CALM
        eventually(lambda: time.monotonic() > calm, "some traffic", within=2 * _CALM)
        seen = self._lab.client.seen(begin)
        self._timeline(result)
        self._situation(seen)
        good = took is not None and (seen.failed == 0 or step.may_fail(seen))
        if not good:
            print(line(clock(), "WRONG", "this step did not do what it should"))
        return Outcome(step.title, took, step.within, seen, good)

    def _timeline(self, *own: str) -> None:
        """Print what the routers said since the last time, and these lines, by the clock."""
        lines = list(own)
        for name in self._lab.routers:
            lines += self._events(name) + self._warnings(name)
        print("\n".join(sorted(lines)), flush=True)

    def _events(self, name: str) -> list[str]:
        """Give the new events of a router's bus."""
        router = self._lab.vipbus(name)
        if not router.running:
            return []
        told = router.ask("events").stdout.splitlines()
        new, self._told[name] = told[self._told[name] :], len(told)
        lines = []
        for each in new:
            _, when, subject, text = each.split(" ", 3)
            if subject.startswith(_SHOWN):
                lines.append(line(when, name, text.removeprefix(f"{name} ")))
        return lines

    def _warnings(self, name: str) -> list[str]:
        """Give the new warnings of a router's log, its supervisor's among them."""
        log = self._lab.routers[name].log.read_text(errors="replace").splitlines()
        new, self._logged[name] = log[self._logged[name] :], len(log)
        lines = []
        for each in new:
            when, _, rest = each.partition(" ")
            service, _, text = rest.partition(f" {name} WARNING ")
            if text:
                lines.append(line(when, name, f"{service}: {text}"))
        return lines

    def _situation(self, seen: Seen | None) -> None:
        lab = self._lab
        print(line("", "address", f"{lab.address} on {' and '.join(lab.who_holds()) or 'no router'}"))
        for name, router in lab.routers.items():
            table = " ".join(sorted(lab.destinations(name))) or "empty"
            print(line("", "table", f"of {name}: {table}{'' if router.running else ' (it does not run)'}"))
        if seen is not None:
            print(line("", "client", f"{seen}; answered by {dict(sorted(seen.servers.items()))}"), flush=True)


def clock() -> str:
    """Give the time of day as the routers' own lines have it."""
    return datetime.now().isoformat(timespec="milliseconds")[11:]  # noqa: DTZ005  # local, as theirs


def line(when: str, who: str, text: str) -> str:
    """Lay out one line of the timeline."""
    return f"{when:<13} {who:<8} {text}"


def summary(outcomes: list[Outcome]) -> None:
    """Print all of it once more, a line a step."""
    print(f"\n{'step':<22} {'took':>8} {'at most':>8} {'good':>6} {'failed':>7} {'longest gap':>12}")
    for outcome in outcomes:
        took = f"{outcome.took:.2f} s" if outcome.took is not None else "never"
        print(
            f"{outcome.title:<22} {took:>8} {outcome.within:>6.1f} s {outcome.seen.good:>6} "
            f"{outcome.seen.failed:>7} {outcome.seen.longest_gap * 1000:>9.0f} ms"
            + ("" if outcome.good else "   WRONG")
        )
    rate = 1 / EVERY
    print(f"\nThe client began {rate:.0f} requests a second, each on a connection of its own.", flush=True)


def main() -> int:
    """Run the demo."""
    declaration = Declaration(routers=(RouterSpec("r1", 150), RouterSpec("r2", 100)))
    with Lab(declaration) as lab:
        good = Demo(lab).run()
        if not good:
            print(lab.evidence("demo"), file=sys.stderr)
    print("everything did what it should" if good else "something did not do what it should", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
