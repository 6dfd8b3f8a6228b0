"""One check that runs, and where it stands in the engine's hands."""

from __future__ import annotations

import _socket
from collections import OrderedDict
from typing import TYPE_CHECKING

from health_prober.attempt import kind_of
from health_prober.check import Rules, State
from health_prober.connect import pack
from health_prober.sockets import resolve
from health_prober.wheel import NOWHERE
from vipbus.contracts import Check, HttpCheck, TcpCheck

if TYPE_CHECKING:
    from health_prober.dialogue import Dialogue


_PATIENT_FROM = 0.1
"""Seconds that interval and timeout have at least, for a few milliseconds to be of no account."""


class Probe:
    """In the wheel while it waits for its time, in a line while an attempt is in flight."""

    __slots__ = (
        "began",
        "bound",
        "calm",
        "check",
        "dialogue",
        "due",
        "family",
        "kind",
        "lean",
        "line",
        "octets",
        "packed",
        "patient",
        "quiet",
        "round",
        "rules",
        "socket",
        "state",
        "steered",
        "tick",
        "ticket",
        "where",
    )

    def __init__(self, check: Check, rules: Rules, state: State) -> None:
        self.check = check
        self.kind = kind_of(check)
        self.rules = rules
        self.state = state
        self.due = state.due
        """When the next attempt begins; the state's own is behind while nothing changes but the time."""
        self.bound = 0.0
        """Seconds after its time from which on an attempt is late."""
        self.calm = False
        """A success changes nothing but the time (`health_prober.check.calm`)."""
        self.round = 0
        """The number of the round that is due (`health_prober.check.round_of`)."""
        self.tick = NOWHERE
        """For the wheel."""
        self.began = 0.0

        self.lean = is_lean(check)
        """Made on the engine's own sockets (`health_prober.lean`)."""
        self.ticket = 0
        """Of its last attempt elsewhere (`health_prober.aside`)."""
        self.family, self.where = resolve(check.address, check.port)
        self.packed = pack(self.family, self.where)
        self.steered = bool(check.source or check.source_port or check.interface or check.mark)
        shortest = min(check.interval, check.timeout)
        self.patient = isinstance(check, TcpCheck) and not self.steered and shortest >= _PATIENT_FROM
        """Its success may be found a little later than it is there."""
        self.octets: dict[int, bytes] | None = {} if isinstance(check, HttpCheck) else None
        """What an HTTP check sends, by the number of the request; None: it is none."""
        self.socket: _socket.socket | None = None
        self.quiet = False
        """Its connect is in flight, and epoll tells of its failure only."""
        self.dialogue: Dialogue | None = None
        self.line: OrderedDict[Probe, None]
        """Of the attempts with its timeout."""


def is_lean(check: Check) -> bool:
    """Say whether a check is a plain connect, or HTTP of a kind that needs no library but a parser."""
    if isinstance(check, TcpCheck):
        return not check.exchanges
    return (
        isinstance(check, HttpCheck)
        and check.tls is None
        and check.version != "2"
        and not any(request.redirects for request in check.requests)
    )
