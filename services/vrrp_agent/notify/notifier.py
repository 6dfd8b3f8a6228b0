"""Passes every change of role on: to named pipes, programs and mail."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from vipbus.contracts import Fifo, Mail, VrrpSettings
from vipbus.runtime.alarms import Alarms
from vipbus.runtime.notify.fifo import NotifyFifo
from vipbus.runtime.notify.programs import NotifyPrograms
from vipbus.runtime.poller import Poller
from vipbus.runtime.runner.client import Runner
from vrrp_agent import metrics
from vrrp_agent.notify import told as said
from vrrp_agent.notify.told import Told

if TYPE_CHECKING:
    from vrrp_agent.notify.mail import Mailer

log = logging.getLogger(__name__)


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
        self._programs = NotifyPrograms(
            alarms, runner, counter=metrics.NOTIFICATIONS, waiting=metrics.NOTIFICATIONS_WAITING
        )

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
            self._programs.add(told.target, told.state, programs)
        if self._mail is not None and (mailed := said.mail(told, self._router)) is not None:
            if self._mailer is None:
                from vrrp_agent.notify.mail import Mailer  # noqa: PLC0415  # most routers send none

                self._mailer = Mailer(self._problem)
            self._mailer.send(self._mail, mailed)

    def _count_lines(self) -> None:
        metrics.NOTIFICATIONS_WAITING.set(sum(fifo.waiting for fifo in self._fifos), way="fifo")

    # ---- the end

    def hurry(self, until: float) -> None:
        """Let nothing wait longer than a part of the time that is left until the end."""
        self._programs.hurry(until)

    @property
    def done(self) -> bool:
        """True when all that could be told has been told, and whoever was told is done with it."""
        if not self._programs.done or not all(fifo.delivered for fifo in self._fifos):
            return False
        for fifo in self._fifos:
            fifo.hang_up()
        return not any(fifo.read for fifo in self._fifos)

    def close(self, within: float) -> None:
        """End it, ``within`` so many seconds: programs that still run go on by themselves."""
        self._programs.start_all()
        if self._mailer is not None:
            self._mailer.finish(within)
        for fifo in self._fifos:
            fifo.close()
        self._fifos = []
