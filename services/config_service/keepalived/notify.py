"""Who is told of a change of role: notify scripts and mail (keepalived.conf(5), notify_master etc.)."""

from __future__ import annotations

from typing import Final

from config_service.keepalived import fields, programs
from config_service.keepalived.programs import ProgramLine
from config_service.keepalived.schema import Keyword
from vipbus.contracts import Notify


class NotifyDraft:
    """What an instance or a sync group says about it; None: the global default."""

    def __init__(self) -> None:
        self.master: ProgramLine | None = None
        self.backup: ProgramLine | None = None
        self.fault: ProgramLine | None = None
        self.stop: ProgramLine | None = None
        self.deleted: ProgramLine | None = None
        self.rx_lower: ProgramLine | None = None
        self.any: ProgramLine | None = None
        self.priority_changes: bool | None = None
        self.mail: bool | None = None

    def lines(self) -> list[ProgramLine]:
        """Give every program that is named."""
        named = (
            self.master,
            self.backup,
            self.fault,
            self.stop,
            self.deleted,
            self.rx_lower,
            self.any,
        )
        return [one for one in named if one is not None]

    def compiled(self, *, mail: bool, priority_changes: bool) -> Notify:
        """Make the document's part; the arguments are the global defaults."""
        return Notify(
            master=self.master.program if self.master else None,
            backup=self.backup.program if self.backup else None,
            fault=self.fault.program if self.fault else None,
            stop=self.stop.program if self.stop else None,
            deleted=self.deleted.program if self.deleted else None,
            master_rx_lower_pri=self.rx_lower.program if self.rx_lower else None,
            any=self.any.program if self.any else None,
            priority_changes=priority_changes if self.priority_changes is None else self.priority_changes,
            mail=mail if self.mail is None else self.mail,
        )


GROUP: Final[dict[str, Keyword[NotifyDraft]]] = {
    "notify_master": programs.keyword("notify_master", "master"),
    "notify_backup": programs.keyword("notify_backup", "backup"),
    "notify_fault": programs.keyword("notify_fault", "fault"),
    "notify_stop": programs.keyword("notify_stop", "stop"),
    "notify": programs.keyword("notify", "any"),
    "notify_priority_changes": fields.boolean("notify_priority_changes", "priority_changes"),
    "smtp_alert": fields.boolean("smtp_alert", "mail"),
}
INSTANCE: Final[dict[str, Keyword[NotifyDraft]]] = {
    **GROUP,
    # alone it changes the word that keepalived's scripts hear; here it is DELETED anyway
    "notify_deleted": programs.keyword("notify_deleted", "deleted", least=0),
    "notify_master_rx_lower_pri": programs.keyword("notify_master_rx_lower_pri", "rx_lower"),
}
