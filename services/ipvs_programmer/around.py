"""What a router's programmer keeps beside the table: sync daemons, timeouts, kernel settings, source NAT.

A change of role is followed at once. The rest is looked at after a new revision and then every few seconds:
nobody's traffic hangs on it for a moment.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ipvs_programmer import flush
from ipvs_programmer.kernel import Kernel, KernelError
from ipvs_programmer.masquerade import masked
from ipvs_programmer.masquerading import Masquerading
from ipvs_programmer.nat_rules import PLACES, Kind, NatRules
from ipvs_programmer.ours import Ours
from ipvs_programmer.owned import OwnedServices
from ipvs_programmer.settings import Settings, wanted
from ipvs_programmer.sync_daemons import sends
from ipvs_programmer.sync_daemons import wanted as wanted_daemons
from ipvs_programmer.sync_keeper import SyncKeeper
from ipvs_programmer.sysctls import SysctlError, Sysctls
from ipvs_programmer.timeouts import TimeoutKeeper
from vipbus.contracts import Event, IpvsSettings, Role, Standby
from vipbus.runtime.needs import Need, lacking, needs
from vipbus.runtime.readiness import Readiness
from vipbus.telemetry.trace import TraceContext

if TYPE_CHECKING:
    from vipbus.runtime.revision import Revision

_ROUNDS: Final = 5
"""So many times the interval at which the table is looked at."""
_STOPPED: Final = "ipvs-programmer was stopped"


class Around:
    """Every method but `stop` is one short step without a wait."""

    def __init__(
        self,
        kernel: Kernel,
        sysctls: Sysctls,
        owned: OwnedServices,
        readiness: Readiness,
        *,
        router: str,
        state_dir: Path,
        standby: Standby,
        interval: float,
        publish: Callable[[Event, TraceContext], None],
        places: Mapping[Kind, NatRules] = PLACES,
    ) -> None:
        """``interval``: seconds between two looks at the table."""
        self._kernel = kernel
        self._sysctls = sysctls
        self._owned = owned
        self._readiness = readiness
        self._standby: Standby = standby
        self._interval = _ROUNDS * interval
        self._ours = Ours(state_dir / "ipvs-programmer.around.json")
        self._settings = Settings(sysctls, router, publish)
        self._daemons = SyncKeeper(kernel, self._ours, router, publish)
        self._timeouts = TimeoutKeeper(kernel, router, publish)
        self._masquerading = Masquerading(self._ours, router, publish, on_change=self._say, places=places)
        self._revision: Revision | None = None
        self._roles: Mapping[str, Role] | None = None
        self._addresses: Collection[str] = ()
        self._flush = False
        self._sending = False
        self._needed: tuple[Need, ...] = ()
        self._needed_for: tuple[Revision, Collection[str]] | None = None
        self._lacking: tuple[Need, ...] = ()
        self._kernel_problem = ""
        self._said: tuple[str, ...] = ()
        self._due = math.inf

    @property
    def due(self) -> float:
        """When `look` is to be called next, on the caller's clock; infinity: there is nothing to look at."""
        return self._due

    @property
    def flush_on_stop(self) -> str | None:
        """What the revision in use says of the table at a stop; see `IpvsSettings`."""
        return self._ipvs.flush_on_stop if self._revision is not None else None

    @property
    def _ipvs(self) -> IpvsSettings:
        assert self._revision is not None  # noqa: S101  # nothing is asked before
        return self._revision.ipvs or IpvsSettings(router=self._revision.router)

    def follow(
        self, revision: Revision, roles: Mapping[str, Role] | None, addresses: Collection[str]
    ) -> None:
        """Take in what may have changed; costs next to nothing where nothing did.

        ``roles`` is None while the bus is away and they prove nothing.
        """
        new = revision is not self._revision
        if self._revision is None:
            # at the start alone, as keepalived.conf(5) has it: not when a later revision asks for it
            self._flush = revision.ipvs is not None and revision.ipvs.flush
        self._revision, self._roles, self._addresses = revision, roles, addresses
        if new:
            self._due = -math.inf
        elif self._is_sending() != self._sending:
            self._kernel_problem = ""
            self._guard(self._look_at_daemons)
            self._say()

    def look(self, now: float) -> None:
        """See that all is as it should be, and put right what is not."""
        assert self._revision is not None  # noqa: S101  # nothing is due before
        ipvs, rules = self._ipvs, masked(self._revision)
        # conntrack before the rules that need it
        self._settings.bring_about(wanted(ipvs.sysctls, masquerade=bool(rules)))
        self._masquerading.want(rules)
        self._masquerading.look()
        self._kernel_problem = ""
        self._guard(self._look_at_table)
        self._guard(lambda: self._timeouts.bring_about(ipvs.timeouts))
        self._guard(self._look_at_daemons)
        self._look_at_needs(self._revision)
        self._say()
        self._due = now + self._interval

    async def stop(self, *, remove: bool) -> None:
        """End; with ``remove`` what is ours goes, but for timeouts and kernel settings."""
        if remove:
            self._guard(lambda: self._daemons.bring_about({}, _STOPPED))
        await self._masquerading.finish(remove=remove)
        self._say()

    def _guard(self, look: Callable[[], None]) -> None:
        try:
            look()
        except KernelError as error:
            self._kernel_problem = str(error)

    def _look_at_table(self) -> None:
        if self._flush:
            flush.foreign(self._kernel, self._ours, self._owned.keys, flush.this_boot())
            self._flush = False

    def _look_at_daemons(self) -> None:
        before, self._sending = self._sending, self._is_sending()
        daemon = self._ipvs.sync_daemon
        cause = f"revision {self._revision.head.revision}" if self._revision is not None else ""
        if daemon is not None and daemon.instance is not None and before != self._sending:
            cause = f"{daemon.instance} is {'active' if self._sending else 'not active'} here"
        self._daemons.bring_about(wanted_daemons(daemon, active=self._sending), cause)

    def _is_sending(self) -> bool:
        assert self._revision is not None  # noqa: S101  # nothing is asked before
        daemon = self._ipvs.sync_daemon
        return (
            daemon is not None
            and daemon.instance is not None
            and sends(daemon.instance, self._revision, self._roles, self._addresses)
        )

    def _look_at_needs(self, revision: Revision) -> None:
        known = self._needed_for
        if known is None or known[0] is not revision or known[1] != self._addresses:
            self._needed_for = (revision, self._addresses)
            self._needed = needs(revision, self._addresses, self._standby)
        self._lacking = lacking(self._needed, self._read)

    def _read(self, name: str) -> str | None:
        try:
            return self._sysctls.read(name)
        except SysctlError:
            return None

    def _say(self) -> None:
        """Bring readiness up to date."""
        mine = (
            *self._settings.problems.values(),
            *(
                need.text
                for need in self._lacking
                if need.kind == "problem" and need.name not in self._settings.problems
            ),
            *filter(None, (self._masquerading.problem, self._timeouts.problem, self._daemons.problem)),
        )
        # the programmer has the same to say of its own requests
        if self._kernel_problem and self._kernel_problem not in {*self._readiness.problems} - {*self._said}:
            mine += (self._kernel_problem,)
        for text in set(self._said) - set(mine):
            self._readiness.problem(text, "")
        for text in mine:
            self._readiness.problem(text, text)
        self._said = mine
        self._readiness.advise(
            tuple(
                need.text
                for need in self._lacking
                if need.kind == "advice" and need.name not in self._settings.problems
            )
        )
