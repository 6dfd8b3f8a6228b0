"""Plain HTTP/1 on a socket that never waits: requests one after the other, each on its own connection."""

from __future__ import annotations

import _socket
import select
from typing import Final

from health_prober import causes, connect
from health_prober.attempt import CheckFailedError, Passed
from health_prober.http_judge import RECOVERY, blamed, judge, octets_of
from health_prober.lean_http import Response
from health_prober.regexes import RegexTooSlowError
from vipbus.contracts import HttpCheck

_PIECE: Final = 1 << 14
"""Octets read at once."""
_REGEX_WITHIN: Final = 0.01
"""Seconds: every other check waits meanwhile. Who needs longer is judged elsewhere."""
_GONE = select.EPOLLERR | select.EPOLLHUP
_ENDS = _GONE | select.EPOLLRDHUP
"""There is an end to be read, behind what came."""


class Dialogue:
    """One attempt: fed with what epoll says of its socket."""

    __slots__ = ("_check", "_connected", "_left", "_number", "_octets", "_request", "_response", "_unsent")

    def __init__(self, check: HttpCheck, octets: dict[int, bytes]) -> None:
        self._check = check
        self._octets = octets
        self._left = RECOVERY.order(check)
        self._next()

    def _next(self) -> bool:
        following = next(self._left, None)
        if following is None:
            return False
        self._number, self._request = following
        octets = self._octets.get(self._number)
        if octets is None:
            octets = self._octets[self._number] = octets_of(self._check, self._request)
        self._unsent: memoryview | bytes = octets
        self._connected = False
        self._response = Response(self._request.method)
        return True

    @property
    def _waiting(self) -> str:
        if not self._connected:
            return ""
        return "waiting for the rest of the response" if self._response.status else "waiting for the response"

    def expired(self, cause: str) -> str:
        """Say what a time-out means here."""
        return str(self._failed(f"{cause} ({self._waiting})" if self._waiting else cause))

    def close(self) -> None:
        """Let go of what the attempt holds."""
        self._response.close()

    def work(self, probe: _socket.socket, mask: int) -> Passed | bool:
        """Do what can be done: Passed at the end, True where the next request wants a connection.

        Raises:
            CheckFailedError: the response will not do, and neither will the server.
        """
        try:
            if not self._connected:
                if mask & _GONE and (number := connect.outcome(probe)):
                    raise OSError(number, "")
                self._connected = True
            if self._unsent:
                sent = probe.send(self._unsent)
                self._unsent = b"" if sent == len(self._unsent) else memoryview(self._unsent)[sent:]
            if not mask & (select.EPOLLIN | _ENDS) or not self._read(probe, mask):
                return False
        except BlockingIOError:
            return False
        except CheckFailedError as error:
            raise self._failed(str(error)) from None
        except OSError as error:
            raise self._failed(causes.failed(error.errno or 0)) from None
        return self._judge()

    def _read(self, probe: _socket.socket, mask: int) -> bool:
        """Read what is there, to its end if epoll saw one; True once the response is whole."""
        while True:
            octets = probe.recv(_PIECE)
            if not octets:
                self._response.closed()
                return True
            if self._response.feed(octets):
                return True
            if len(octets) < _PIECE and not mask & _ENDS:
                return False

    def _judge(self) -> Passed | bool:
        answer = self._response.answer()
        self._response.close()
        try:
            passed = judge(self._request, answer, regex_within=_REGEX_WITHIN)
        except RegexTooSlowError:
            raise
        except CheckFailedError as error:
            raise self._failed(str(error)) from None
        if self._next():
            return True
        if self._check.fast_recovery:
            RECOVERY.passed(self._check)
        return passed

    def _failed(self, cause: str) -> CheckFailedError:
        RECOVERY.failed(self._check, self._number)
        return CheckFailedError(blamed(self._check, self._request, cause))
