"""What is to be probed, out of what is configured. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from ctl.layer_7_names import Layer7, layer_7
from ctl.probe_names import (
    UnknownNameError,
    real_server_named,
    virtual_server_named,
    virtual_server_words,
)
from ctl.words import listed
from vipbus.contracts import (
    PROBE_BEGINS_WITHIN,
    PROBE_LONGEST,
    Check,
    ProbeNow,
    ProbeTarget,
    ProxyPool,
    RealServer,
    VirtualServer,
    token_in_words,
)

GRACE: Final = 7.0
"""Seconds beyond the attempts: interpreters start, what hangs is broken off, the machine is busy."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be probed."""

    virtual_server: str
    """Token, of a virtual server or a pool."""
    words: str
    """The same as people write it."""
    targets: tuple[ProbeTarget, ...]
    """By address and port."""
    asked: ProbeNow
    """The same for a replica, which has the checks itself."""

    @property
    def within(self) -> float:
        """Seconds in which it is done, whatever the real servers do."""
        longest = max(check.timeout for target in self.targets for check in target.checks)
        return PROBE_BEGINS_WITHIN + min(longest, PROBE_LONGEST) + GRACE


def plan(
    virtual_servers: Iterable[VirtualServer],
    real_servers: Iterable[RealServer],
    pools: Iterable[ProxyPool] = (),
    *,
    virtual_server: str,
    real_server: str | None,
    kind: str | None,
) -> Plan:
    """Find what is meant by these names, in the configurations of all routers together.

    Raises:
        UnknownNameError: nothing is, or it has no such check.
    """
    everything = tuple(real_servers)
    found, where = _named(virtual_server, virtual_servers, everything, layer_7((), pools))
    pool = [server for server in everything if server.virtual_server == found]
    words = where
    token = real_server_named(real_server, pool, where) if real_server is not None else None
    pool = [server for server in pool if token in (None, server.id)]
    if token is not None:
        where = f"{token_in_words(token)} of {where}"
    checks = _checks(pool)
    kinds = sorted({_kind(check) for each in checks.values() for check in each})
    if not kinds:
        raise UnknownNameError(f"{where} has no checks: it always counts as up")
    if kind is not None and kind not in kinds:
        raise UnknownNameError(f"{where} has no check of kind {kind!r}; it has {listed(kinds, 10)}")
    chosen = {
        token: tuple(check for check in each if kind in (None, _kind(check)))
        for token, each in checks.items()
    }
    return Plan(
        virtual_server=found,
        words=words,
        targets=tuple(
            ProbeTarget(real_server=token, checks=each) for token, each in sorted(chosen.items()) if each
        ),
        asked=ProbeNow(virtual_server=found, real_server=token, kind=kind),
    )


def _named(
    name: str, virtual_servers: Iterable[VirtualServer], real_servers: Iterable[RealServer], there: Layer7
) -> tuple[str, str]:
    """Find the token of the virtual server or pool that is meant, and its words."""
    pool = there.named(name)
    if pool is None:
        try:
            found = virtual_server_named(name, virtual_servers, real_servers, there.words)
        except UnknownNameError:
            if (pool := there.alone(name)) is None:
                raise
        else:
            return found.id, virtual_server_words(found)
    return pool.token, token_in_words(pool.token)


def _checks(pool: Iterable[RealServer]) -> dict[str, tuple[Check, ...]]:
    """Gather the distinct checks that any router asks for, by real server's token."""
    found: dict[str, tuple[Check, ...]] = {}
    for server in pool:
        before = found.get(server.id, ())
        found[server.id] = (*before, *(check for check in server.checks if check not in before))
    return found


def _kind(check: Check) -> str:
    return str(check.__struct_config__.tag)
