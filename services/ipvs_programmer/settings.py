"""Which kernel settings are set or looked at, and what of them is said. Pure but for the port it is given."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Final

from ipvs_programmer.sysctls import SysctlError, Sysctls, same
from vipbus.contracts import Event, SettingChanged, Sysctl
from vipbus.telemetry.trace import TraceContext, record

log = logging.getLogger(__name__)

CONNTRACK: Final = "net.ipv4.vs.conntrack"
"""Whether IPVS has connections of its own in the conntrack table too, where source NAT finds them."""


def wanted(configured: Iterable[Sysctl], *, masquerade: bool) -> tuple[Sysctl, ...]:
    """Add to what is configured what `masquerade` cannot do without.

    A word of the configuration outranks it; `needs` then says that the two do not go together.
    """
    found = {each.name: each for each in configured}
    if masquerade and CONNTRACK not in found:
        found[CONNTRACK] = Sysctl(name=CONNTRACK, value="1", set=True)
    return tuple(found.values())


class Settings:
    """Brings settings about, level-triggered: what another program changes back is set and said again."""

    def __init__(self, sysctls: Sysctls, router: str, publish: Callable[[Event, TraceContext], None]) -> None:
        self.problems: dict[str, str] = {}
        """What is not as configured, by setting: what, and what to do."""
        self._sysctls = sysctls
        self._router = router
        self._publish = publish
        self._found_wrong: dict[str, str] = {}
        """Values that were said to be wrong already, by setting."""

    def bring_about(self, wanted: Iterable[Sysctl]) -> None:
        """Set what is to be set and look at the rest."""
        problems: dict[str, str] = {}
        wrong: dict[str, str] = {}
        for each in wanted:
            try:
                found = self._sysctls.read(each.name)
                if same(each.value) == found:
                    continue
                if each.set:
                    self._set(each, found)
                    continue
            except SysctlError as error:
                problems[each.name] = str(error)
                continue
            wrong[each.name] = found
            problems[each.name] = (
                f"{each.name} is {found} and should be {same(each.value)}: "
                "set it with sysctl(8), or let vipbus set it"
            )
            if self._found_wrong.get(each.name) != found:
                self._say(each, found, done=False)
        self._found_wrong = wrong
        self.problems = problems

    def _set(self, each: Sysctl, found: str) -> None:
        self._sysctls.write(each.name, each.value)
        now = self._sysctls.read(each.name)
        if now != same(each.value):
            raise SysctlError(f"{each.name} was set to {each.value} and is {now}: the kernel made that of it")
        log.info("%s was %s and is set to %s", each.name, found, now)
        self._say(each, found, done=True)

    def _say(self, each: Sysctl, found: str, *, done: bool) -> None:
        event = SettingChanged(
            router=self._router, name=each.name, before=found, value=same(each.value), set=done
        )
        self._publish(event, record("set sysctl" if done else "look at sysctl"))
