"""Failovers, one after another: the active router fails, its client waits, it comes back.

Every network has a client and two routers of each program. Rounds alternate between the programs, so that
whatever else the machine does meets all alike; several networks run at once.
"""

from __future__ import annotations

import math
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.bench.answers import Asking
from tests.bench.machine import Busy
from tests.bench.pair import Pair, Program, Takeover
from tests.bench.stalls import Stalls
from tests.bench.wire import Listener
from tests.support.vrrp import Network

Fault = Literal["crash", "stop"]
FAULTS: tuple[Fault, ...] = ("crash", "stop")


@dataclass(frozen=True)
class Round:
    """One failover."""

    program: Program
    fault: Fault
    interval: float
    takeover: Takeover
    floor: float
    """The longest silence right before, in which nothing happened."""
    repeated: int
    """How often it was done again because the machine stood still."""


_REPEATS = 9
"""At most; the last round counts, whatever the machine did."""


def every(interval: float) -> float:
    """Give the seconds between two probes at an advertisement interval."""
    return 0.001 if interval >= 1 else 0.0005 if interval >= 0.1 else 0.00025


def tolerated(interval: float) -> float:
    """Give how long (seconds) the machine may stand still in a round, which is done again otherwise."""
    return 0.02 if interval >= 1 else 0.005 if interval >= 0.1 else 0.002


def side_by_side(interval: float) -> int:
    """Give how many networks run at once: as many as leave the machine mostly idle."""
    return 5 if interval >= 1 else 3 if interval >= 0.1 else 2


_given_up = threading.Event()
"""Set when one network's failure, or a signal, ends the run: the others end after their round."""


class Slot:
    """One network: a client, a switch and a pair of each program."""

    def __init__(
        self,
        network: Network,
        interval: float,
        programs: tuple[Program, ...],
        *,
        asking: Asking,
        stalls: Stalls,
        stack: ExitStack,
    ) -> None:
        client = network.router("client")
        listener = stack.enter_context(Listener(network.switch))
        self._stalls = stalls
        self.pairs = [Pair(program, network, listener, interval) for program in programs]
        for pair in self.pairs:
            stack.callback(pair.close)
            pair.ask(asking, client)

    def start(self) -> None:
        """Start every router."""
        for pair in self.pairs:
            pair.start()

    def rounds(self, phases: list[float]) -> list[Round]:
        """Run a round of each program and fault at each phase."""
        done = []
        for number, phase in enumerate(phases):
            for fault in FAULTS:
                for pair in self.pairs[:: -1 if number % 2 else 1]:
                    if _given_up.is_set():
                        return done
                    try:
                        done.append(self._round(pair, fault, phase))
                    except AssertionError as error:
                        _given_up.set()
                        error.add_note(f"by {fault} at phase {phase:.2f}\n{pair.said()}")
                        raise
        return done

    def _round(self, pair: Pair, fault: Fault, phase: float) -> Round:
        repeated = -1
        stall = math.inf
        while stall > tolerated(pair.interval) and repeated < _REPEATS:
            repeated += 1
            with pair.answers:
                pair.settled()
                floor = pair.undisturbed()
                began = pair.crash(phase) if fault == "crash" else pair.stop()
                takeover = pair.taken_over(began)
            stall = self._stalls.worst(began)
            pair.recover()
        return Round(pair.program, fault, pair.interval, takeover, floor, repeated)


def measure(interval: float, rounds: int, programs: tuple[Program, ...]) -> tuple[list[Round], float]:
    """Run so many rounds of each program and fault; also give the share of the machine that was busy."""
    _given_up.clear()
    # the same moments within the interval for all, spread evenly: chance would favour one of them
    phases = [(number + 0.5) / rounds for number in range(rounds)]
    slots = min(side_by_side(interval), rounds)
    with ExitStack() as stack:
        asking = stack.enter_context(Asking(every(interval)))
        stalls = stack.enter_context(Stalls())
        made = []
        for number in range(slots):
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            network = stack.enter_context(Network(directory, f"n{number}"))
            made.append(Slot(network, interval, programs, asking=asking, stalls=stalls, stack=stack))
        asking.start()
        with ThreadPoolExecutor(slots) as pool, ExitStack() as first:
            first.callback(_given_up.set)
            list(pool.map(Slot.start, made))
            busy = Busy()
            shares = [phases[number::slots] for number in range(slots)]
            found = [each for some in pool.map(Slot.rounds, made, shares) for each in some]
            return found, busy.share()
