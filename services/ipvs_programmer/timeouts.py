"""Keeps the kernel's timeouts of idle connections as configured (ipvsadm(8), --set)."""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

from ipvs_programmer.kernel import Kernel, RequestError
from ipvs_programmer.namespace import Timeouts
from vipbus.contracts import Event, IpvsTimeouts, SettingChanged
from vipbus.telemetry.trace import TraceContext, record

log = logging.getLogger(__name__)


def differing(wanted: IpvsTimeouts, found: Timeouts) -> Timeouts:
    """Give what is to be set: 0 for what is right already or was not asked for."""
    return Timeouts(
        **{
            name: seconds if (seconds := getattr(wanted, name)) != getattr(found, name) else 0
            for name in Timeouts.__struct_fields__
        }
    )


class TimeoutKeeper:
    """Every method is one short step without a wait."""

    def __init__(self, kernel: Kernel, router: str, publish: Callable[[Event, TraceContext], None]) -> None:
        self.problem = ""
        """Why the timeouts are not as configured."""
        self._kernel = kernel
        self._router = router
        self._publish = publish
        self._set: IpvsTimeouts | None = None

    def bring_about(self, wanted: IpvsTimeouts | None) -> None:
        """Have these timeouts; None leaves all as they are.

        Raises:
            KernelError: the kernel's IPVS is out of reach.
        """
        self.problem = ""
        before, self._set = self._set, wanted
        if wanted is None:
            return
        found = self._kernel.timeouts()
        todo = differing(wanted, found)
        if todo == Timeouts():
            return
        try:
            self._kernel.set_timeouts(todo)
        except RequestError as error:
            self.problem = f"the timeouts of idle connections are refused: {error}; shorten them"
            return
        for name, seconds in msgspec.structs.asdict(todo).items():
            if seconds:
                self._say(name, getattr(found, name), seconds, by_another=before == wanted)

    def _say(self, name: str, found: int, seconds: int, *, by_another: bool) -> None:
        if by_another:
            log.warning("timeout %s was changed to %d s by someone else; set to %d s", name, found, seconds)
        else:
            log.info("timeout %s was %d s and is set to %d s", name, found, seconds)
        event = SettingChanged(
            router=self._router, name=f"timeout {name}", before=str(found), value=str(seconds), set=True
        )
        self._publish(event, record("set timeouts"))
