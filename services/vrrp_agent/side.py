"""The side thread: everything about the election that may wait. Scripts, files, processes, notifications.

The loop hands it what changes and goes on; what it sees comes back through the loop's own mailbox.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from vipbus.contracts import Notify, VrrpConfiguration
from vrrp_agent.exchange import Mailbox
from vrrp_agent.notify.told import Told
from vrrp_agent.tracking.sources import SourceSeen

if TYPE_CHECKING:
    from vipbus.runtime.alarms import Alarms
    from vipbus.runtime.poller import Poller
    from vipbus.runtime.runner.client import Runner
    from vrrp_agent.notify.notifier import Notifier
    from vrrp_agent.tracking.watch import Watch

log = logging.getLogger(__name__)

LAST_WORDS = 2.0
"""Seconds that the last notifications have to be delivered at the end."""
_LAST_ORDERS = 1.5
"""Seconds beyond that, for what could only be started."""
_AFTER_FAULT = 1.0
"""Seconds until work goes on after a fault of our own."""


_NOBODY = Notify()


class Finish(msgspec.Struct, frozen=True):
    """The election is over: tell what is left and end."""

    until: float
    """Seconds of the monotonic clock."""


class Side:
    """A daemon thread; every method may be called from any thread and waits for nothing but `finish`."""

    def __init__(
        self,
        *,
        router: str,
        seen: Callable[[SourceSeen], None],
        problem: Callable[[str, str], None],
    ) -> None:
        """Make it.

        Args:
            router: Name of this router, for mail.
            seen: Takes the words of tracked sources; called on this thread.
            problem: `Readiness.problem`.
        """
        self._router = router
        self._seen = seen
        self._problem = problem
        self._wakeup = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._inbox: Mailbox[VrrpConfiguration | Told | Finish] = Mailbox(
            lambda: os.eventfd_write(self._wakeup, 1)
        )
        self._finishing: Finish | None = None
        self._over = False
        self._thread = threading.Thread(target=self._main, name="side", daemon=True)

    def start(self) -> None:
        """Begin, in the background; `configure` does it when there is something to do."""
        self._thread.start()

    def configure(self, configuration: VrrpConfiguration) -> None:
        """Watch and tell as this says from now on; what stays as it is goes on.

        The thread begins with the first configuration that has something for it.
        """
        if self._thread.ident is None:
            if not needed(configuration):
                return
            self.start()
        self._inbox.put(configuration)

    def tell(self, told: Told) -> None:
        """Tell whoever wants to hear of a change of role."""
        if self._thread.ident is not None:
            self._inbox.put(told)

    def finish(self, within: float = LAST_WORDS) -> None:
        """Deliver what was told so far and end; wait for that, ``within`` seconds at most."""
        if not self._thread.is_alive():
            return
        self._inbox.put(Finish(time.monotonic() + within))
        self._thread.join(within + _LAST_ORDERS)

    # ---- the thread

    def _main(self) -> None:
        # imported here: start-up is failover time, and many routers track and tell nothing
        from vipbus.runtime.alarms import Alarms  # noqa: PLC0415
        from vipbus.runtime.poller import Poller  # noqa: PLC0415
        from vipbus.runtime.runner.client import Runner  # noqa: PLC0415
        from vrrp_agent.notify.notifier import Notifier  # noqa: PLC0415
        from vrrp_agent.tracking.watch import Watch  # noqa: PLC0415

        poller, alarms = Poller(), Alarms()
        runner = Runner(poller, alarms)
        watch = Watch(poller, alarms, runner, seen=self._seen, problem=self._problem)
        notifier = Notifier(poller, alarms, runner, router=self._router, problem=self._problem)
        poller.add(self._wakeup, lambda: self._take(runner, watch, notifier))
        while not self._over:
            self._guarded(lambda: self._step(poller, alarms, notifier))
        assert self._finishing is not None  # noqa: S101  # nothing else ends it
        left = max(0.0, self._finishing.until - time.monotonic())
        notifier.close(left)
        runner.close(max(0.0, self._finishing.until - time.monotonic()))

    def _guarded(self, work: Callable[[], None]) -> None:
        """Work; a fault of our own is told, and must not take from others what they wait for."""
        try:
            work()
        except Exception as error:
            log.exception("a fault in the side thread")
            self._problem(
                "side thread",
                f"a fault of this program ({error!r}): its log has the traceback; restart it",
            )
            time.sleep(_AFTER_FAULT)

    def _step(self, poller: Poller, alarms: Alarms, notifier: Notifier) -> None:
        end = self._finishing.until if self._finishing is not None else None
        times = [at for at in (alarms.next(), end) if at is not None]
        if end is not None:
            self._over = time.monotonic() >= end  # whatever else may go wrong from here on
        poller.wait(max(0.0, min(times) - time.monotonic()) if times else None)
        alarms.ring(time.monotonic())
        if self._finishing is not None and notifier.done:
            self._over = True

    def _take(self, runner: Runner, watch: Watch, notifier: Notifier) -> None:
        os.eventfd_read(self._wakeup)
        for message in self._inbox.take():
            match message:
                case VrrpConfiguration():
                    runner.configure(message.settings)
                    self._guarded(partial(watch.configure, message))
                    self._guarded(partial(notifier.configure, message.settings))
                case Told():
                    self._guarded(partial(notifier.tell, message))
                case Finish():
                    self._finishing = message
                    watch.close()
                    notifier.hurry(message.until)


def needed(configuration: VrrpConfiguration) -> bool:
    """Say whether anything is watched, or anybody notified."""
    settings = configuration.settings
    told = [each.notify for each in configuration.instances]
    told += [each.notify for each in configuration.groups]
    return (
        settings.notify_fifo is not None
        or settings.vrrp_notify_fifo is not None
        or any(notify != _NOBODY for notify in told)
        or any(
            track.kind in ("script", "file", "process")
            for each in configuration.instances
            for track in each.tracks
        )
    )
