"""Attempts on raw sockets, many at once on one epoll: plain connects, and plain HTTP/1.

Sockets go from one attempt to the next (`health_prober.pool`). Of a server that is up, a connect that
succeeds is no news: epoll is not asked to tell, only to tell of failures, which it does at once. Success is
looked for a little later, when other connects are due anyway, and the kernel knows to the microsecond how
long it took. So an attempt that goes well costs three short system calls and never a wait. Whoever is steered
(source, interface, mark) has a socket of its own each time.
"""

from __future__ import annotations

import _socket
import errno
import select
import socket
import sys
import time
from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Final

from health_prober import causes, connect, sockets
from health_prober.alarm import Alarm
from health_prober.attempt import PASSED, CheckFailedError, NotTriedError, Passed
from health_prober.check import Failed, Unproven
from health_prober.pool import Pool
from health_prober.probe import Probe
from health_prober.regexes import RegexTooSlowError

_EVENTS_A_TURN = 512
_GONE = select.EPOLLERR | select.EPOLLHUP
_LOUD = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
_QUIET = select.EPOLLIN | select.EPOLLET
"""A connect that succeeds is none of these; one that fails is told unasked (epoll_ctl(2))."""
_STANDS_FOR = 0.02
"""Seconds that a connection may stand after its attempt; after 200 ms the target's program would notice."""
_LOOK_AFTER = 0.003
"""Seconds after which success is looked for if something else ended the wait."""
_LOOK_BY = 0.018
"""Seconds after which it is looked for anyway; the next moment at which others begin has mostly come."""
_INFO = 72
"""Octets of struct tcp_info (linux/tcp.h) up to and with its tcpi_rtt, in microseconds."""
_ESTABLISHED = 1


class TooSlow:
    """An attempt that took more of this thread than others can spare."""


TOO_SLOW: Final = TooSlow()
Ending = Passed | Failed | Unproven | TooSlow


class Lean:
    """The attempts in flight. Of one thread; ``wake`` is a descriptor that ends its waits.

    ``limit`` is how many descriptors they may have.
    """

    def __init__(self, wake: int, limit: int) -> None:
        self._wake = wake
        self._epoll = select.epoll()
        self._epoll.register(wake, select.EPOLLIN)
        self._alarm = Alarm()
        self._epoll.register(self._alarm.descriptor, select.EPOLLIN)
        self._loud = Pool(self._epoll, _LOUD, limit)
        self._quiet = Pool(self._epoll, _QUIET, limit)
        self._unseen: deque[Probe] = deque()
        """The quiet ones in flight, the oldest first, and some that have ended since."""
        self.flying: dict[int, Probe] = {}
        """By descriptor."""
        # attempts with one timeout end in the order they began, so the first of each line is its oldest;
        # a quiet one gets in line some milliseconds late
        self._lines: dict[float, OrderedDict[Probe, None]] = {}

    def close(self) -> None:
        """Drop what flies and let go of every socket."""
        for probe in list(self.flying.values()):
            self.drop(probe)
        self._loud.close()
        self._quiet.close()
        self._epoll.close()
        self._alarm.close()

    @property
    def next(self) -> float | None:
        """When there is something to do, whatever happens; None: never."""
        moments = [next(iter(line)).began + timeout for timeout, line in self._lines.items() if line]
        if self._unseen:
            moments.append(self._unseen[0].began + _LOOK_BY)
        return min(moments) if moments else None

    def admit(self, probe: Probe) -> None:
        """Make room for a check."""
        probe.line = self._lines.setdefault(probe.rules.timeout, OrderedDict())

    def keep_lines(self, probes: Iterable[Probe]) -> None:
        """Forget the timeouts that none of these has."""
        self._lines = {probe.rules.timeout: probe.line for probe in probes}

    # ---- how it begins

    def start(self, probe: Probe, now: float) -> Failed | Unproven | None:
        """Begin an attempt; None: it is in flight."""
        probe.began = now
        if probe.calm and probe.patient:
            # the usual attempt; a line has it only once it takes longer than usual
            try:
                made = self._quiet.take(probe.family)
                if connect.start(made, probe.where, probe.packed) == errno.EINPROGRESS:
                    probe.socket = made
                    probe.quiet = True
                    self.flying[made.fileno()] = probe
                    self._unseen.append(probe)
                    return None
                made.close()
            except OSError:
                pass  # it comes again
        elif probe.octets is not None:
            from health_prober.dialogue import Dialogue  # noqa: PLC0415  # HTTP is imported with the first

            probe.dialogue = Dialogue(probe.check, probe.octets)  # type: ignore[arg-type]  # octets: an HttpCheck
        return self._connect(probe)

    def _connect(self, probe: Probe) -> Failed | Unproven | None:
        try:
            made = self._steered(probe) if probe.steered else self._loud.take(probe.family)
        except NotTriedError as error:
            return Unproven(probe.began, str(error))
        except OSError as error:
            return Unproven(probe.began, causes.local_trouble(error.errno or errno.EINVAL))
        try:
            number = connect.start(made, probe.where, probe.packed)
        except OSError as error:
            number = error.errno or errno.EINVAL
        if number in connect.GOES_ON:
            probe.socket = made
            self.flying[made.fileno()] = probe
            probe.line[probe] = None  # where it stands already, it stays
            return None
        made.close()
        if number in causes.LOCAL:
            return Unproven(probe.began, causes.local_trouble(number))
        return Failed(probe.began, causes.failed(number))

    def _steered(self, probe: Probe) -> _socket.socket:
        made: _socket.socket = sockets.opened(probe.check, socket.SOCK_STREAM)
        try:
            connect.prepare(made)
            self._epoll.register(made.fileno(), _LOUD)
        except BaseException:
            made.close()
            raise
        return made

    # ---- how it ends

    def wait(self, now: float, seconds: float, ended: list[tuple[Probe, Ending]]) -> bool:
        """Wait for answers, at most so long (-1: until there are); True: woken.

        What ends is added to ``ended``.
        """
        before = now - _STANDS_FOR if 0 <= seconds < _STANDS_FOR else now
        self._quiet.rest(before)
        self._loud.rest(before)
        if seconds:
            self._alarm.set(now + seconds if seconds > 0 else None)
            seconds = -1
        woken = False
        flying = self.flying
        for descriptor, mask in self._epoll.poll(seconds, _EVENTS_A_TURN):
            probe = flying.get(descriptor)
            if probe is None:
                # the wake, the alarm, or the reset of a socket that has not been used since
                woken = woken or descriptor == self._wake
            elif probe.dialogue is not None:
                self._heard(probe, mask, ended)
            else:
                self._answered(probe, mask, ended)
        return woken

    def look(self, now: float, passed: list[Probe], durations: list[float]) -> None:
        """Look for quiet connects that succeeded; they, and how long they took, are added to the lists."""
        unseen, flying, give = self._unseen, self.flying, self._quiet.give
        before = now - _LOOK_AFTER
        while unseen and unseen[0].began <= before:
            probe = unseen.popleft()
            if not probe.quiet:
                continue
            probe.quiet = False
            made = probe.socket
            assert made is not None  # noqa: S101  # quiet: in flight
            descriptor = made.fileno()
            info = made.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO)
            if info[0] == _ESTABLISHED:
                probe.socket = None
                del flying[descriptor]
                give(probe.family, made, now)
                passed.append(probe)
                durations.append(int.from_bytes(info[-4:], sys.byteorder) * 1e-6)
            else:
                # it takes longer, or epoll is about to tell of its failure
                probe.line[probe] = None
                self._epoll.modify(descriptor, _LOUD)

    def expire(self, now: float, ended: list[tuple[Probe, Ending]]) -> None:
        """End what has had its time."""
        for timeout, line in self._lines.items():
            while line:
                probe = next(iter(line))
                if probe.began + timeout > now:
                    break
                cause = causes.timed_out(timeout)
                if probe.dialogue is not None:
                    cause = probe.dialogue.expired(cause)
                self.drop(probe)
                ended.append((probe, Failed(probe.began, cause)))

    def drop(self, probe: Probe) -> None:
        """Break an attempt off; closing the socket takes it out of epoll as well."""
        self._landed(probe).close()
        self._over(probe)

    def _landed(self, probe: Probe) -> _socket.socket:
        """Take a connection out of the air; the attempt may go on with another."""
        made, probe.socket = probe.socket, None
        assert made is not None  # noqa: S101  # only called for what flies
        del self.flying[made.fileno()]
        probe.quiet = False
        return made

    @staticmethod
    def _over(probe: Probe) -> None:
        """Let go of what an attempt holds beside its connection."""
        probe.line.pop(probe, None)
        if probe.dialogue is not None:
            probe.dialogue.close()
            probe.dialogue = None

    def _done_with(self, probe: Probe) -> None:
        """End a connection that went well; its socket makes another one."""
        pool = self._quiet if probe.quiet else self._loud
        made = self._landed(probe)
        if probe.steered:
            made.close()
        else:
            pool.give(probe.family, made, time.monotonic())

    def _answered(self, probe: Probe, mask: int, ended: list[tuple[Probe, Ending]]) -> None:
        """End a connect."""
        assert probe.socket is not None  # noqa: S101  # it flies
        number = connect.outcome(probe.socket) if mask & _GONE else 0
        # worth two system calls only where success would be news
        if number == 0 and probe.state.verdict != "up" and connect.met_itself(probe.socket):
            number = errno.ECONNREFUSED
        if number:
            self.drop(probe)
            ended.append((probe, Failed(probe.began, causes.failed(number))))
        else:
            self._done_with(probe)
            self._over(probe)
            ended.append((probe, PASSED))

    def _heard(self, probe: Probe, mask: int, ended: list[tuple[Probe, Ending]]) -> None:
        """Go on with HTTP."""
        assert probe.socket is not None  # noqa: S101  # it flies
        assert probe.dialogue is not None  # noqa: S101  # it speaks HTTP
        ending: Ending | None
        try:
            result = probe.dialogue.work(probe.socket, mask)
        except RegexTooSlowError:
            ending = TOO_SLOW
        except CheckFailedError as error:
            ending = Failed(probe.began, str(error))
        except NotTriedError as error:
            ending = Unproven(probe.began, str(error))
        else:
            if result is False:
                return
            self._done_with(probe)
            # the next request has a connection of its own
            ending = self._connect(probe) if result is True else result
            if ending is None:
                return
        if probe.socket is not None:
            self._landed(probe).close()
        self._over(probe)
        ended.append((probe, ending))
