"""Programs that hear of changes: those of one thing in the order of its changes, of several at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from vipbus.contracts import Program
from vipbus.runtime.alarms import Alarms
from vipbus.runtime.notify.order import Change, Order
from vipbus.runtime.runner.client import Runner
from vipbus.runtime.runner.messages import Ended
from vipbus.telemetry.metrics import Counter, Gauge

log = logging.getLogger(__name__)

_EACH = 0.5
"""Of the time that the end leaves: how much of it programs that still run may hold the last ones back."""

Heard = Callable[[str, Program, Ended], None]
Late = Callable[[str, Program], None]


class NotifyPrograms:
    """Runs them, in order; for one thread."""

    def __init__(
        self,
        alarms: Alarms,
        runner: Runner,
        *,
        counter: Counter,
        waiting: Gauge,
        late: Late = lambda _target, _program: None,
        ended: Heard = lambda _target, _program, _ended: None,
    ) -> None:
        """Make it.

        Args:
            alarms: Of the thread.
            runner: Runs them.
            counter: Counts them by ``way`` and ``outcome``: delivered, failed or dropped.
            waiting: Is set to how many changes wait, by ``way``.
            late: Is called with a program that the next ones wait for no longer, after that was logged.
            ended: Is called with a program and how it ended, after that was logged.
        """
        self._alarms = alarms
        self._runner = runner
        self._counter = counter
        self._waiting = waiting
        self._late = late
        self._heard = ended
        self._running: dict[int, Program] = {}
        self._orders: dict[str, Order] = {}

    def add(self, target: str, state: str, programs: tuple[Program, ...]) -> None:
        """Run the programs of a change when it is their turn.

        Args:
            target: What changed; its changes are one behind the other.
            state: What it is now, for the log.
            programs: Each with all its arguments.
        """
        order = self._orders.setdefault(target, Order())
        if dropped := order.add(Change(state, programs)):
            self._counter.add(dropped, way="program", outcome="dropped")
            log.warning("%s: too many changes wait for its programs; the oldest is dropped", target)
        self._turn(target)

    def _turn(self, target: str) -> None:
        """Start what has its turn now; plan the next look."""
        order = self._orders[target]
        while True:
            late = tuple(order.running) if order.patient_until else ()
            if (change := order.turn(time.monotonic())) is None:
                break
            for number in late:
                program = self._running[number]
                log.warning("%s of %s still runs; the next waits no longer", program.arguments[0], target)
                self._late(target, program)
            for program in change.programs:
                self._start(target, change.state, program)
        alarm = f"notify {target}"
        if len(order):
            self._alarms.set(alarm, order.patient_until, lambda: self._turn(target))
        else:
            self._alarms.clear(alarm)
        if not len(order) and not order.running:
            del self._orders[target]
        self._waiting.set(sum(len(each) for each in self._orders.values()), way="program")

    def _start(self, target: str, state: str, program: Program) -> None:
        number = self._runner.run(
            program, ended=lambda ended: self._ended(target, state, program, ended), outlives=True
        )
        self._running[number] = program
        self._orders[target].running.add(number)

    def _ended(self, target: str, state: str, program: Program, ended: Ended) -> None:
        del self._running[ended.id]
        good = ended.status == 0
        self._counter.add(way="program", outcome="delivered" if good else "failed")
        if not good:
            log.warning("%s of %s (%s): %s", program.arguments[0], target, state, ended.cause)
        self._heard(target, program, ended)
        order = self._orders.get(target)
        if order is not None:
            order.running.discard(ended.id)
            self._turn(target)

    # ---- the end

    def hurry(self, until: float) -> None:
        """Let nothing wait longer than a part of the time that is left until the end."""
        now = time.monotonic()
        for target, order in list(self._orders.items()):
            order.patient_until = min(order.patient_until, now + _EACH * max(0.0, until - now))
            self._turn(target)

    @property
    def done(self) -> bool:
        """True when all have ended."""
        return not self._orders

    def start_all(self) -> None:
        """Start what waits, whatever it waits for; those that still run go on by themselves."""
        for target, order in list(self._orders.items()):
            while len(order):
                order.patient_until = 0.0
                self._turn(target)
            self._alarms.clear(f"notify {target}")
