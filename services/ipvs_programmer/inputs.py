"""What the programmer works from: configuration, verdicts, operators, roles, addresses; and what changed.

Each is a whole picture. A change is only found by comparing it with the picture before, for its words and its
trace; what to do follows from the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from ipvs_programmer.addresses import Addresses
from ipvs_programmer.members import Members
from ipvs_programmer.table import endpoint
from ipvs_programmer.weights import effective_weight
from vipbus.bus import Bus, Entry
from vipbus.contracts import (
    CONFIG,
    HEALTH,
    OPERATOR,
    ROLE,
    OperatorState,
    Role,
    Verdict,
    name_token,
)
from vipbus.runtime.operators import Operators
from vipbus.runtime.revision import Revision, Revisions
from vipbus.telemetry.trace import TraceContext


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change of an input: its cause in words, what it concerns, and the trace that it came in."""

    text: str
    virtual_server: str = ""
    """Token; empty: not one in particular."""
    instance: str = ""
    """Token; empty: not one in particular."""
    trace: TraceContext | None = None
    template: str = ""
    """The bucket's subject without ids, for example ``vipbus.state.health``."""


class Inputs:
    """The pictures, followed; ``wake`` is called when one may have changed."""

    def __init__(
        self, bus: Bus, addresses: Addresses, *, router: str, state_dir: Path, wake: Callable[[], None]
    ) -> None:
        self.verdicts: dict[str, Verdict] = {}
        """The last verdict known, by bucket key. One that vanishes from the bus is kept: a bus that lost its
        store looks empty, and that is no reason to send traffic to a dead server."""
        self.roles: dict[str, Role] = {}
        """The last role known, by instance token; likewise."""
        self.revision: Revision | None = None
        self.addresses: frozenset[str] = frozenset()
        self._token = name_token(router)
        self._revisions = Revisions()
        self._address_source = addresses
        self._seen_verdicts: dict[str, Entry[Verdict]] = {}
        self._seen_roles: dict[str, Entry[Role]] = {}
        self._news: set[str] = set()
        """Keys of verdicts that were written since they were last looked at."""
        self._pictures = -1
        """The whole picture of them that was looked at last."""
        # configuration last: follows open in this order, and the first write needs all of them
        self._health = bus.follow(
            HEALTH,
            on_change=wake,
            on_key=self._news.add,
            saved=state_dir / "ipvs-programmer.health.json",
        )
        self._operator = bus.follow(
            OPERATOR, on_change=wake, saved=state_dir / "ipvs-programmer.operator.json"
        )
        self._operators = Operators(self._operator)
        self.operators = self._operators.words
        """What operators say, by bucket key."""
        self._role = bus.follow(
            ROLE, f"{self._token}.*", on_change=wake, saved=state_dir / "ipvs-programmer.role.json"
        )
        self._members = Members()
        self._config = bus.follow(
            CONFIG, f"{self._token}.>", on_change=wake, saved=state_dir / "ipvs-programmer.config.json"
        )
        self._heard = False
        bus.on_change.append(wake)

    @property
    def ready(self) -> bool:
        """True when there is enough for a first write.

        That is a whole revision; one that came from the bus has verdicts, roles and what operators say right
        behind it.
        """
        if self.revision is None:
            return False
        return not self._config.live or (self._health.known and self._operator.known and self._role.known)

    @property
    def verdicts_known(self) -> bool:
        """False while no picture of the verdicts was ever read, from the bus or from the file."""
        return self._health.known

    @property
    def heard(self) -> bool:
        """True once configuration, verdicts and what operators say have come from the bus.

        A file of theirs may be older than what was done since.
        """
        self._heard = self._heard or (self._health.live and self._operator.live and self._config.live)
        return self._heard

    @property
    def live_roles(self) -> Mapping[str, Role] | None:
        """The roles, or None while the bus is away and they prove nothing."""
        return self.roles if self._role.live else None

    def numbers(self) -> dict[str, int]:
        """The revision in use, by router, for the condition."""
        return self._revisions.numbers()

    def holds_virtual_address(self) -> bool:
        """Say whether an address of an instance is on this host now."""
        present = self._address_source.present
        return self.revision is not None and any(
            virtual.address in present
            for instance in self.revision.instances
            for virtual in instance.virtual_ipaddress
        )

    def save(self) -> None:
        """Write what is not saved yet; for the end of the process."""
        for follow in (self._health, self._operator, self._role, self._config):
            follow.save_now()

    def changes(self) -> list[Change]:
        """Take in what is new and say what changed, in the order in which it matters."""
        return [
            *self._config_changes(),
            *self._role_changes(),
            *self._operator_changes(),
            *self._verdict_changes(),
            *self._address_changes(),
        ]

    def _config_changes(self) -> Iterator[Change]:
        if self._token not in self._revisions.update(self._config.entries, self._token):
            return
        revision = self.revision = self._revisions.routers[self._token]
        self._members.take(revision)
        self.verdicts = {
            key: verdict
            for key, verdict in self.verdicts.items()
            if key in self._health.entries
            or self._members.find(verdict.virtual_server, verdict.real_server) is not None
        }
        self._seen_verdicts = {
            key: entry for key, entry in self._seen_verdicts.items() if key in self._health.entries
        }
        head = revision.head
        yield Change(
            text=f"revision {head.revision}{f': {head.cause}' if head.cause else ''}",
            trace=revision.trace,
            template="vipbus.state.config",
        )

    def _role_changes(self) -> Iterator[Change]:
        for key, entry in self._role.entries.items():
            if self._seen_roles.get(key) is entry:
                continue
            self._seen_roles[key] = entry
            token = key.rpartition(".")[2]
            before, role = self.roles.get(token), entry.value
            self.roles[token] = role
            if before is None or (before.role, before.epoch) != (role.role, role.epoch):
                yield Change(
                    text=f"{role.instance} is {role.role}: {role.cause}",
                    instance=token,
                    trace=entry.trace,
                    template="vipbus.state.role",
                )

    def _verdict_changes(self) -> Iterator[Change]:
        entries, news = self._health.entries, list(self._news)
        self._news.clear()
        if self._pictures != self._health.pictures:
            self._pictures = self._health.pictures
            news = list(entries)  # a whole picture tells of no single key
        for key in news:
            entry = entries.get(key)
            if entry is None or self._seen_verdicts.get(key) is entry:
                continue
            self._seen_verdicts[key] = entry
            before, verdict = self.verdicts.get(key), entry.value
            self.verdicts[key] = verdict
            if before is None or before.verdict != verdict.verdict:
                what = f"is {verdict.verdict}"
            elif (before.weight, before.weight_added) != (verdict.weight, verdict.weight_added):
                real = self._members.find(verdict.virtual_server, verdict.real_server)
                what = f"has weight {effective_weight(real, verdict)}" if real is not None else "is weighed"
            else:
                continue
            yield Change(
                text=f"{self._name(verdict)} {what}: {verdict.cause}",
                virtual_server=verdict.virtual_server,
                trace=entry.trace,
                template="vipbus.state.health",
            )

    def _operator_changes(self) -> Iterator[Change]:
        for change in self._operators.changes():
            yield Change(
                text=f"{self._name(change.said)} {change.what}",
                virtual_server=change.said.virtual_server,
                trace=change.trace,
                template="vipbus.state.operator",
            )

    def _name(self, of: Verdict | OperatorState) -> str:
        real = self._members.find(of.virtual_server, of.real_server)
        return endpoint(real.address, real.port) if real is not None else of.real_server

    def _address_changes(self) -> Iterator[Change]:
        present = self._address_source.present
        before, self.addresses = self.addresses, present
        if self.revision is None:
            return
        for instance in self.revision.instances:
            for virtual in instance.virtual_ipaddress:
                if (virtual.address in before) != (virtual.address in present):
                    verb = "was added to" if virtual.address in present else "was removed from"
                    yield Change(
                        text=f"{virtual.address} {verb} this router", instance=name_token(instance.name)
                    )
