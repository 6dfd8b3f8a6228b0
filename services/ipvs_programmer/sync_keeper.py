"""Keeps the connection-sync daemons as they should be: started, stopped, put back, replaced.

At a change of role the one that ends goes first and the other starts right behind it.
"""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable, Mapping

import msgspec

from ipvs_programmer.kernel import Kernel, RequestError
from ipvs_programmer.namespace import Daemon, DaemonState
from ipvs_programmer.ours import DaemonName, Ours
from ipvs_programmer.sync_daemons import Start, Step, Stop, steps
from vipbus.contracts import Event, SyncDaemonChanged
from vipbus.telemetry.trace import TraceContext, record

log = logging.getLogger(__name__)

_NAMES: Mapping[DaemonState, DaemonName] = {DaemonState.MASTER: "master", DaemonState.BACKUP: "backup"}


def interface_index(name: str) -> int:
    """Give an interface's index in this network namespace; 0: there is none of that name."""
    try:
        return socket.if_nametoindex(name)
    except (OSError, ValueError):
        return 0


class SyncKeeper:
    """Every method is one short step without a wait."""

    def __init__(
        self,
        kernel: Kernel,
        ours: Ours,
        router: str,
        publish: Callable[[Event, TraceContext], None],
        *,
        find: Callable[[str], int] = interface_index,
    ) -> None:
        """``find`` gives the index of an interface, 0 for none."""
        self.problem = ""
        """Why the daemons are not as they should be, and what to do."""
        self._kernel = kernel
        self._ours = ours
        self._router = router
        self._publish = publish
        self._find = find
        self._indexes: dict[DaemonState, int] = {}
        """Of the interfaces on which the daemons were seen."""

    def bring_about(self, wanted: Mapping[DaemonState, Daemon], cause: str) -> None:
        """Have exactly these daemons, as far as they are ours.

        Raises:
            KernelError: the kernel's IPVS is out of reach.
        """
        if not wanted and not self._ours.made.daemons:
            self.problem = ""
            return
        running = self._kernel.daemons()
        ours = frozenset(state for state, name in _NAMES.items() if name in self._ours.made.daemons)
        todo = steps(wanted, running, ours, self._stale(wanted))
        # ours from before the start, so that a crash after it leaves nothing without an owner
        self._own(ours | frozenset(wanted))
        problem = ""
        done: list[Step] = []
        for step in todo:
            try:
                self._do(step)
            except RequestError as error:
                problem = problem or _words(step, error)
                continue
            done.append(step)
            log.info("%s (%s)", step, cause)
        if done:
            now = self._kernel.daemons()
            self._say(done, now, cause)
        if not problem:
            self._own(frozenset(wanted))
        self.problem = problem

    def _stale(self, wanted: Mapping[DaemonState, Daemon]) -> set[DaemonState]:
        """Find the daemons whose interface was removed and made again: they go on, and nobody hears them."""
        before = self._indexes
        self._indexes = {state: self._find(daemon.interface) for state, daemon in wanted.items()}
        return {state for state, index in self._indexes.items() if before.get(state, index) != index}

    def _own(self, states: frozenset[DaemonState]) -> None:
        names = frozenset(_NAMES[state] for state in states)
        self._ours.save(msgspec.structs.replace(self._ours.made, daemons=names))

    def _do(self, step: Step) -> None:
        if isinstance(step, Start):
            self._kernel.start_daemon(step.daemon)
            return
        try:
            self._kernel.stop_daemon(step.daemon.state)
        except RequestError as error:
            if error.number != errno.ESRCH:  # it ended by itself meanwhile
                raise

    def _say(self, done: list[Step], now: tuple[Daemon, ...], cause: str) -> None:
        daemon = done[-1].daemon
        event = SyncDaemonChanged(
            router=self._router,
            running=tuple(sorted((_NAMES[each.state] for each in now), reverse=True)),
            interface=daemon.interface,
            sync_id=daemon.sync_id,
            cause=cause,
        )
        self._publish(event, record("change sync daemon"))


def _words(step: Step, error: RequestError) -> str:
    interface = step.daemon.interface
    if isinstance(step, Stop):
        return f"connection sync: {error}"
    if error.number == errno.ENODEV:
        return f"connection sync: there is no interface {interface}: create it, or name another one"
    if error.number == errno.EADDRNOTAVAIL:
        return f"connection sync: {interface} has no address to send from: give it one and set it up"
    if error.number == errno.ENETDOWN:
        return f"connection sync: {interface} is down: ip link set {interface} up"
    if error.number == errno.EINVAL:
        return (
            f"connection sync on {interface} is refused (invalid argument): the group must be a multicast "
            "address, and no real server may have another family than its virtual server"
        )
    return f"connection sync: {error}"
