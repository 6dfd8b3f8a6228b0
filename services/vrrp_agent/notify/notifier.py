"""Passes every change of role on: to named pipes, programs and mail."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from vipbus.contracts import Fifo, Mail, Program, VrrpSettings
from vipbus.runtime.alarms import Alarms
from vipbus.runtime.notify.fifo import NotifyFifo
from vipbus.runtime.notify.order import Change, Order
from vipbus.runtime.poller import Poller
from vipbus.runtime.runner.client import Runner
from vipbus.runtime.runner.messages import Ended
from vrrp_agent import metrics
from vrrp_agent.notify import told as said
from vrrp_agent.notify.told import Told

if TYPE_CHECKING:
    from vrrp_agent.notify.mail import Mailer

log = logging.getLogger(__name__)

_EACH = 0.5
"""Of the time that the end leaves: how much of it programs that still run may hold the last ones back."""


class Notifier:
    """Tells whoever wants to hear, in order; for one thread."""

    def __init__(
        self,
        poller: Poller,
        alarms: Alarms,
        runner: Runner,
        *,
        router: str,
        problem: Callable[[str, str], None],
    ) -> None:
        self._poller = poller
        self._alarms = alarms
        self._runner = runner
        self._router = router
        self._problem = problem
        self._fifos: list[NotifyFifo] = []
        self._mail: Mail | None = None
        self._mailer: Mailer | None = None
        self._orders: dict[str, Order] = {}

    def configure(self, settings: VrrpSettings) -> None:
        """Keep the pipes that stay as they are: their readers see no end."""
        self._mail = settings.mail
        wanted: list[Fifo] = []
        for fifo in (settings.notify_fifo, settings.vrrp_notify_fifo):
            if fifo is not None and fifo.path not in [each.path for each in wanted]:
                wanted.append(fifo)
        kept = [each for each in self._fifos if each.config in wanted]
        for old in self._fifos:
            if old not in kept:
                old.close()
        there = [each.config for each in kept]
        self._fifos = kept + [self._fifo(config) for config in wanted if config not in there]

    def _fifo(self, config: Fifo) -> NotifyFifo:
        return NotifyFifo(
            config,
            self._poller,
            self._alarms,
            self._runner,
            counter=metrics.NOTIFICATIONS,
            changed=self._count_lines,
        )

    def tell(self, told: Told) -> None:
        """Tell of a change, as far as anybody wants to hear of it."""
        if line := said.line(told):
            for fifo in self._fifos:
                fifo.write(line)
        if programs := said.programs(told):
            order = self._orders.setdefault(told.target, Order())
            if dropped := order.add(Change(told.state, programs)):
                metrics.NOTIFICATIONS.add(dropped, way="program", outcome="dropped")
                log.warning("%s: too many changes wait for its programs; the oldest is dropped", told.target)
            self._turn(told.target)
        if self._mail is not None and (mailed := said.mail(told, self._router)) is not None:
            if self._mailer is None:
                from vrrp_agent.notify.mail import Mailer  # noqa: PLC0415  # most routers send none

                self._mailer = Mailer(self._problem)
            self._mailer.send(self._mail, mailed)

    # ---- programs

    def _turn(self, target: str) -> None:
        """Start what has its turn now; plan the next look."""
        order = self._orders[target]
        while (change := order.turn(time.monotonic())) is not None:
            for program in change.programs:
                self._start(target, change.state, program)
        alarm = f"notify {target}"
        if len(order):
            self._alarms.set(alarm, order.patient_until, lambda: self._turn(target))
        else:
            self._alarms.clear(alarm)
        if not len(order) and not order.running:
            del self._orders[target]
        waiting = sum(len(each) for each in self._orders.values())
        metrics.NOTIFICATIONS_WAITING.set(waiting, way="program")

    def _start(self, target: str, state: str, program: Program) -> None:
        number = self._runner.run(
            program, ended=lambda ended: self._ended(target, state, program, ended), outlives=True
        )
        self._orders[target].running.add(number)

    def _ended(self, target: str, state: str, program: Program, ended: Ended) -> None:
        good = ended.status == 0
        metrics.NOTIFICATIONS.add(way="program", outcome="delivered" if good else "failed")
        if not good:
            log.warning("%s of %s (%s): %s", program.arguments[0], target, state, ended.cause)
        order = self._orders.get(target)
        if order is not None:
            order.running.discard(ended.id)
            self._turn(target)

    def _count_lines(self) -> None:
        metrics.NOTIFICATIONS_WAITING.set(sum(fifo.waiting for fifo in self._fifos), way="fifo")

    # ---- the end

    def hurry(self, until: float) -> None:
        """Let nothing wait longer than a part of the time that is left until the end."""
        now = time.monotonic()
        for target, order in list(self._orders.items()):
            order.patient_until = min(order.patient_until, now + _EACH * max(0.0, until - now))
            self._turn(target)

    @property
    def done(self) -> bool:
        """True when all that could be told has been told, and whoever was told is done with it."""
        if self._orders or not all(fifo.delivered for fifo in self._fifos):
            return False
        for fifo in self._fifos:
            fifo.hang_up()
        return not any(fifo.read for fifo in self._fifos)

    def close(self, within: float) -> None:
        """End it, ``within`` so many seconds: programs that still run go on by themselves."""
        for target, order in list(self._orders.items()):
            while len(order):  # started at least
                order.patient_until = 0.0
                self._turn(target)
            self._alarms.clear(f"notify {target}")
        if self._mailer is not None:
            self._mailer.finish(within)
        for fifo in self._fifos:
            fifo.close()
        self._fifos = []
