"""Pools that HAProxy checks by itself: what its checks and agents found, told on. Pure."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping

import msgspec

from haproxy_programmer.members import by_endpoint
from haproxy_programmer.observed import Server, UnreadableError, member_state
from haproxy_programmer.site import Site
from haproxy_programmer.wanted import ADMIN
from vipbus.contracts import ProxyPool
from vipbus.contracts.proxy import MemberState

Key = tuple[str, str]
"""The names of backend and server."""


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """A member that HAProxy checks, as it has it."""

    member: str
    """``10.1.0.21:8080``"""
    state: MemberState
    weight: int
    agent: bool
    """True: its weight is its agent's."""
    said: bool
    """True: an operator says what it is."""

    def changed(self, before: Checked | None) -> bool:
        """Say whether HAProxy changed it; what is seen for the first time, or an operator changed, is not."""
        if before is None or before.member != self.member or before.said or self.said:
            return False
        return before.state != self.state or (self.agent and before.weight != self.weight)


def checked(site: Site, observed: Mapping[Key, Server]) -> Iterator[tuple[ProxyPool, Key, Checked]]:
    """Give the members that HAProxy checks."""
    for pool in site.pools:
        if not pool.checks_itself:
            continue
        known = by_endpoint(site.members.get(pool.id, ()))
        for name, slot in site.slots_of(pool.id).held.items():
            member, there = known.get(slot.endpoint), observed.get((pool.id, name))
            if member is None or there is None or (there.address, there.port) != slot.endpoint:
                continue
            where = f"[{slot.address}]" if ":" in slot.address else slot.address
            yield (
                pool,
                (pool.id, name),
                Checked(
                    member=f"{where}:{slot.port}",
                    state=member_state(there, configured=True),
                    weight=there.weight,
                    agent=pool.agent_check is not None,
                    said=member.state in ADMIN,
                ),
            )


def reasons(text: str) -> dict[Key, str]:
    """Read the answer to `observed.SESSIONS`: what checks and agents last said, in HAProxy's words.

    Raises:
        UnreadableError: it is none.
    """
    lines = [line for line in text.lstrip("# ").splitlines() if line.strip()]
    try:
        return {
            (row["pxname"], row["svname"]): _reason(row)
            for row in csv.DictReader(lines)
            if row["svname"] not in (None, "FRONTEND", "BACKEND")
        }
    except (KeyError, TypeError, csv.Error) as error:
        raise UnreadableError(f"HAProxy's statistics are not understood: {error!r}") from None


def _reason(row: Mapping[str, str | None]) -> str:
    found = []
    for kind, what, more in (("", "check_desc", "last_chk"), ("agent: ", "agent_desc", "last_agt")):
        said = [each for each in (row.get(what), row.get(more)) if each]
        if said:
            found.append(kind + ": ".join(dict.fromkeys(said)))
    text = "".join(each if each.isprintable() else " " for each in "; ".join(found))
    return text[:300] or "it has not said why"
