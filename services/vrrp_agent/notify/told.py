"""A change of role, and what it says to whom: keepalived's own arguments and lines (keepalived.conf(5)).

As seen with keepalived 2.2.7: the program for the state comes before the one for every change; neither
hears of priorities, and a lower priority that was heard has its own program alone. An instance that leaves
the configuration without a notify_deleted is told as FAULT, without notify_fault's program. Groups have
priority 0.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from vipbus.contracts import Notify, Program

Target = Literal["INSTANCE", "GROUP"]
ToldState = Literal[
    "MASTER",
    "BACKUP",
    "FAULT",
    "STOP",
    "DELETED",
    "MASTER_RX_LOWER_PRI",
    "MASTER_PRIORITY",
    "BACKUP_PRIORITY",
]
_PRIORITIES = ("MASTER_PRIORITY", "BACKUP_PRIORITY")
_MAILED = {
    "MASTER": "is active",
    "BACKUP": "is backup",
    "FAULT": "is in fault",
    "STOP": "has stopped",
    "DELETED": "was removed from the configuration",
}


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Something about an instance or a sync group that others want to hear."""

    kind: Target = "INSTANCE"
    name: str
    state: ToldState
    priority: int = 0
    """The effective one; 0 of a group."""
    notify: Notify
    """Who hears of it, beside the router's named pipes."""
    cause: str = ""
    again: bool = False
    """True: nothing changed, the named pipes hear it again (fifo_write_vrrp_states_on_reload)."""

    @property
    def target(self) -> str:
        """Names what this is about: ``INSTANCE VI_1``."""
        return f"{self.kind} {self.name}"


class Mailed(msgspec.Struct, frozen=True, kw_only=True):
    """What a mail says."""

    subject: str
    text: str


def line(told: Told) -> str:
    """Write what the named pipes get, its end of line included; empty: nothing."""
    if told.state in _PRIORITIES and not told.notify.priority_changes:
        return ""
    name = told.name.replace("\n", " ")  # a line is a line
    return f'{told.kind} "{name}" {_said(told)} {told.priority}\n'


def programs(told: Told) -> tuple[Program, ...]:
    """Give the programs to run, in order, each with all its arguments."""
    if told.again or told.state in _PRIORITIES:
        return ()
    notify = told.notify
    own = {
        "MASTER": notify.master,
        "BACKUP": notify.backup,
        "FAULT": notify.fault,
        "STOP": notify.stop,
        "DELETED": notify.deleted,
        "MASTER_RX_LOWER_PRI": notify.master_rx_lower_pri,
    }[told.state]
    found = [own] if own is not None and own.arguments else []
    if notify.any is not None and notify.any.arguments and told.state != "MASTER_RX_LOWER_PRI":
        arguments = (*notify.any.arguments, told.kind, told.name, _said(told), str(told.priority))
        found.append(msgspec.structs.replace(notify.any, arguments=arguments))
    return tuple(found)


def _said(told: Told) -> str:
    return "FAULT" if told.state == "DELETED" and told.notify.deleted is None else told.state


def mail(told: Told, router: str) -> Mailed | None:
    """Write the mail about a change of role; None: nobody wants one."""
    if not told.notify.mail or told.again or told.state not in _MAILED:
        return None
    what = "VRRP instance" if told.kind == "INSTANCE" else "VRRP sync group"
    happened = _MAILED[told.state]
    facts = {"Router": router, told.kind.capitalize(): told.name, "State": told.state}
    if told.kind == "INSTANCE":
        facts["Priority"] = str(told.priority)
    if told.cause:
        facts["Cause"] = told.cause
    lines = [f"{what} {told.name} on router {router} {happened}.", ""]
    lines += [f"{key + ':':10}{value}" for key, value in facts.items()]
    return Mailed(subject=f"[{router}] {what} {told.name} {happened}", text="\n".join((*lines, "")))
