"""What will run and perhaps not as it is meant, found on the entities of a whole configuration. Pure.

Told once for the whole file, at the first place that it is true of: two thousand virtual servers are written
alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from config_service.host import Host
from vipbus.contracts import CheckBase, Entity, FileCheck, RealServer, Tunnel, VirtualServer

_HOW: Final = {
    ("ipip", 4): "modprobe ipip && ip link set tunl0 up",
    ("ipip", 6): "modprobe ip6_tunnel && ip link set ip6tnl0 up",
    ("gre", 4): "modprobe ip_gre && ip link set gre0 up",
    ("gre", 6): "modprobe ip6_gre && ip link set ip6gre0 up",
}
"""By type and family outside."""


class Place(NamedTuple):
    """Where something is written."""

    file: str
    line: int
    word: str
    """What the language calls it; empty: the text says it."""


Fields = tuple[str, ...]
"""Of the contract: what something is about, the most likely one to be changed first."""
Where = Callable[[Entity, Fields], Place]
"""Finds the first of an entity's fields that is written; the entity, where none is."""


class Remark(NamedTuple):
    """One thing, at the first entity that it is true of."""

    entity: Entity
    fields: Fields
    text: str
    more: int
    """So many other virtual servers are so too."""

    @property
    def words(self) -> str:
        """The text, with how many more it is true of."""
        if not self.more:
            return self.text
        return f"{self.text} ({self.more} more virtual server{'s are' if self.more > 1 else ' is'} so too)"


class _Timing(NamedTuple):
    interval: float
    timeout: float
    retry: int
    delay: float


def remarks(entities: Iterable[Entity], host: Host) -> list[Remark]:
    """Look at a configuration whose virtual servers are each followed by their real servers."""
    found = _Found()
    virtual: VirtualServer | None = None
    timings: set[_Timing] = set()
    for entity in entities:
        if isinstance(entity, VirtualServer):
            virtual = entity
            timings.clear()
            if text := _scheduler(entity, host):
                found.add(entity, entity, ("scheduler",), text)
        elif isinstance(entity, RealServer) and virtual is not None:
            for timing in map(_timing, entity.checks):
                if timing is not None and timing not in timings:
                    timings.add(timing)
                    for fields, text in _round(timing):
                        found.add(virtual, entity, fields, text)
            if text := _tunnel(virtual, entity, host):
                found.add(virtual, entity, ("forwarding",), text)
    return found.remarks()


class _Found:
    """Each text once, with the first entity, and with how many virtual servers it is of."""

    def __init__(self) -> None:
        self._first: dict[str, tuple[Entity, Fields]] = {}
        self._of: dict[str, set[str]] = {}

    def add(self, virtual: VirtualServer, entity: Entity, fields: Fields, text: str) -> None:
        self._first.setdefault(text, (entity, fields))
        self._of.setdefault(text, set()).add(virtual.id)

    def remarks(self) -> list[Remark]:
        return [Remark(*first, text, len(self._of[text]) - 1) for text, first in self._first.items()]


def _scheduler(virtual: VirtualServer, host: Host) -> str:
    known = host.schedulers
    if known is None or virtual.scheduler in known:
        return ""
    text = f"the kernel of this host has no scheduler {virtual.scheduler} (ip_vs_{virtual.scheduler}); "
    return f"{text}install its module where this is to run, or choose another scheduler"


def _timing(check: CheckBase) -> _Timing | None:
    if isinstance(check, FileCheck):  # the kernel tells of changes
        return None
    return _Timing(check.interval, check.timeout, check.retry, check.delay_before_retry)


def _round(timing: _Timing) -> Iterator[tuple[Fields, str]]:
    """Find rounds that fail and cannot be over when the next one is due.

    Attempts of a server that is down are not repeated, so there the wait for one answer is what counts. A
    server that was up has its retries first; that these take longer than an interval while it is silent is
    what they are for, but not that they always do.
    """
    interval, timeout, retry, delay = timing
    if timeout > interval:
        text = (
            f"a check that waits {timeout:g} s for an answer can never finish inside its interval of "
            f"{interval:g} s while a server is silent, which is then checked less often; make the interval "
            "longer, or the timeout shorter"
        )
        yield ("timeout", "interval"), text
    elif (least := retry * delay) > interval and delay != interval:  # else they keep its own rhythm
        text = (
            f"a round of {retry} retries with {delay:g} s between them takes {least:g} s at least to fail, "
            f"and {least + (retry + 1) * timeout:g} s where a server is silent: it can never finish inside "
            f"its interval of {interval:g} s; make the interval longer, or the retries fewer or faster"
        )
        yield ("interval", "retry", "delay_before_retry"), text


def _tunnel(virtual: VirtualServer, real: RealServer, host: Host) -> str:
    """Look whether this host, where it is a real server itself, can unpack what other routers send it."""
    if (real.forwarding or virtual.forwarding) != "TUN" or real.address not in host.addresses:
        return ""
    tunnel = real.tunnel or virtual.tunnel or Tunnel()
    family = 6 if ":" in real.address else 4
    device = ("gre" if tunnel.type == "gre" else "ipip", family)
    if device in host.tunnels:
        return ""
    text = f"{real.address} is an address of this host, and what another router sends it by TUN "
    text += f"({tunnel.type}) is dropped: no device that unpacks it is up; {_HOW[device]}"
    return text
