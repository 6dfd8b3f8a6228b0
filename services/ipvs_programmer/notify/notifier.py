"""Tells the named pipe and runs the programs, in order; and says which of them failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable

from ipvs_programmer.metrics import NOTIFICATIONS, NOTIFICATIONS_WAITING
from ipvs_programmer.notify.pool import Telling
from ipvs_programmer.notify.stage import Stage
from vipbus.contracts import IpvsSettings, NotifyFailed, Program
from vipbus.runtime.notify import order
from vipbus.runtime.notify.fifo import NotifyFifo
from vipbus.runtime.notify.programs import NotifyPrograms
from vipbus.runtime.readiness import Readiness
from vipbus.runtime.runner.client import Runner
from vipbus.runtime.runner.messages import Ended


class Notifier:
    """The pipe and the programs of one router, on the running loop; the runner starts with the first."""

    def __init__(self, router: str, readiness: Readiness, publish: Callable[[NotifyFailed], None]) -> None:
        self._router = router
        self._readiness = readiness
        self._publish = publish
        self._stage = Stage()
        self._runner = Runner(self._stage.poller, self._stage.alarms)
        self._fifo: NotifyFifo | None = None
        self._programs = NotifyPrograms(
            self._stage.alarms,
            self._runner,
            counter=NOTIFICATIONS,
            waiting=NOTIFICATIONS_WAITING,
            late=self._late,
            ended=self._ended,
        )
        self._tokens: dict[str, str] = {}
        """Virtual servers of the pools that were told of."""
        self._wanted: Collection[tuple[str, ...]] = ()
        self._absent: set[tuple[str, ...]] = set()
        """Command lines that could not be run, for readiness."""

    def configure(self, settings: IpvsSettings, programs: Collection[tuple[str, ...]]) -> None:
        """Keep a pipe that stays as it is: its reader sees no end. ``programs``: all that are configured."""
        self._runner.configure(settings)
        self._wanted = programs
        for gone in self._absent - set(programs):
            self._exists(gone)
        wanted = settings.notify_fifo
        if self._fifo is not None and self._fifo.config != wanted:
            self._fifo.close()
            self._fifo = None
        if self._fifo is None and wanted is not None:
            self._fifo = NotifyFifo(
                wanted,
                self._stage.poller,
                self._stage.alarms,
                self._runner,
                counter=NOTIFICATIONS,
                changed=self._count_lines,
            )

    def tell(self, tellings: Iterable[Telling]) -> None:
        """Tell all of this."""
        for telling in tellings:
            if self._fifo is not None:
                self._fifo.write(f"{telling.text}\n")
            if telling.program is not None:
                self._tokens[telling.pool] = telling.virtual_server
                self._programs.add(telling.pool, telling.text, (telling.program,))

    def _count_lines(self) -> None:
        NOTIFICATIONS_WAITING.set(self._fifo.waiting if self._fifo is not None else 0, way="fifo")

    # ---- how they end

    def _ended(self, pool: str, program: Program, ended: Ended) -> None:
        if ended.status == 0:
            self._exists(program.arguments)
            return
        self._fail(pool, program, ended.cause)
        if not ended.ran and not ended.lost and program.arguments in self._wanted:
            self._absent.add(program.arguments)
            self._readiness.problem(_problem(program.arguments), f"a pool's program: {ended.cause}")
        else:
            self._exists(program.arguments)

    def _late(self, pool: str, program: Program) -> None:
        self._fail(pool, program, f"it still runs after {order.PATIENCE:g} s: the next waits no longer")

    def _fail(self, pool: str, program: Program, reason: str) -> None:
        self._publish(
            NotifyFailed(
                router=self._router,
                virtual_server=self._tokens[pool],
                program=program.arguments[0],
                reason=reason,
            )
        )

    def _exists(self, arguments: tuple[str, ...]) -> None:
        if arguments in self._absent:
            self._absent.remove(arguments)
            self._readiness.problem(_problem(arguments), "")

    # ---- the end

    async def finish(self, within: float) -> None:
        """Deliver what was told and end, ``within`` so many seconds; what still runs then goes on alone."""
        until = time.monotonic() + within
        self._programs.hurry(until)
        await self._stage.until(self._is_done, within)
        self._programs.start_all()
        self.close()

    def _is_done(self) -> bool:
        if not self._programs.done or (self._fifo is not None and not self._fifo.delivered):
            return False
        if self._fifo is None:
            return True
        self._fifo.hang_up()
        return not self._fifo.read

    def close(self) -> None:
        """End at once; programs that run go on by themselves."""
        if self._fifo is not None:
            self._fifo.close()
            self._fifo = None
        self._runner.close()
        self._stage.close()


def _problem(arguments: tuple[str, ...]) -> str:
    return f"program {' '.join(arguments)}"
