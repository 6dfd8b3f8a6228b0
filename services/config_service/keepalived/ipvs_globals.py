"""What ``global_defs`` says of the whole table: synchronisation, timeouts, flushing, the pipe for events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from config_service.keepalived import fields, mail, programs, values
from config_service.keepalived.parser import Statement
from config_service.keepalived.programs import ProgramLine
from config_service.keepalived.schema import Keyword
from config_service.keepalived.words import Words, unknown
from config_service.problems import RefusedError, quoted
from config_service.report import Report
from vipbus.contracts import IpvsTimeouts, SyncDaemon

_USAGE: Final = (
    "lvs_sync_daemon INTERFACE [[inst] INSTANCE] [id 0-255] [maxlen 1-65507] [port NUMBER] [ttl 1-255] "
    "[group ADDRESS]"
)
_LONGEST: Final = 2678400
_TIMEOUTS: Final = {"tcp": "tcp", "tcpfin": "tcp_fin", "udp": "udp"}


class SyncDraft:
    """What ``lvs_sync_daemon`` says."""

    def __init__(self, statement: Statement, interface: str) -> None:
        self.statement = statement
        self.interface = interface
        self.instance: str | None = None
        self.sync_id: int | None = None
        self.max_length = 0
        self.port = 0
        self.ttl = 0
        self.group = ""

    def compiled(self, sync_id: int) -> SyncDaemon:
        """Make the document's part; ``sync_id`` is what goes where the line has none."""
        return SyncDaemon(
            interface=self.interface,
            instance=self.instance,
            sync_id=sync_id if self.sync_id is None else self.sync_id,
            both=self.instance is None,
            max_length=self.max_length,
            port=self.port,
            ttl=self.ttl,
            group=self.group,
        )


class IpvsDraft:
    """What the block says of it."""

    def __init__(self) -> None:
        self.sync: SyncDraft | None = None
        self.timeouts: IpvsTimeouts | None = None
        self.flush = False
        self.flush_on_stop: str | None = None
        self.fifo: str | None = None
        self.fifo_script: ProgramLine | None = None
        self.initial_notifies = False


def _sync_daemon(part: IpvsDraft, statement: Statement, report: Report) -> None:
    words = Words(statement.arguments)
    sync = SyncDraft(statement, values.interface(words.take()))
    if words and words.peek() not in ("inst", *_OPTIONS):
        sync.instance = values.name(words.take())
    elif words.take_if("inst"):
        sync.instance = values.name(words.argument("inst", "an instance"))
    if sync.instance is not None and words.peek().isascii() and words.peek().isdigit():
        # its old form, which keepalived takes too
        sync.sync_id = values.integer(words.take(), 0, 255)
        report.warning(statement.file, statement.line, f"lvs_sync_daemon: write id before {sync.sync_id}")
    while words:
        word = words.take()
        if word not in _OPTIONS:
            raise unknown(word, "an interface", _USAGE)
        words.once(word)
        field, what, read = _OPTIONS[word]
        setattr(sync, field, read(words.argument(word, what)))
    part.sync = sync


def _group(word: str) -> str:
    found = values.any_address(word)
    if not values.is_multicast(found):
        raise RefusedError(f"{quoted(word)} is no multicast address; 224.0.0.81 is the kernel's own")
    return found.text


_OPTIONS: Final[dict[str, tuple[str, str, Callable[[str], object]]]] = {
    "id": ("sync_id", "a number", lambda word: values.integer(word, 0, 255)),
    "maxlen": ("max_length", "a length", lambda word: values.integer(word, 1, 65507)),
    "port": ("port", "a port", values.port),
    "ttl": ("ttl", "a number", lambda word: values.integer(word, 1, 255)),
    "group": ("group", "an address", _group),
}
"""What may follow in any order: its field, what it takes, how that is read."""


def _timeouts(part: IpvsDraft, statement: Statement, _report: Report) -> None:
    words = Words(statement.arguments)
    found = IpvsTimeouts()
    while words:
        word = values.choice(words.take(), _TIMEOUTS)
        words.once(word)
        seconds = values.integer(words.argument(word, "seconds"), 0, _LONGEST)
        found = msgspec.structs.replace(found, **{_TIMEOUTS[word]: seconds})
    part.timeouts = found


def _flush_on_stop(part: IpvsDraft, statement: Statement, _report: Report) -> None:
    if statement.arguments:
        values.choice(statement.arguments[0], ("VS",))
    part.flush_on_stop = "ours" if statement.arguments else "all"


KEYWORDS: Final[dict[str, Keyword[Any]]] = {
    "lvs_sync_daemon": Keyword(_USAGE, _sync_daemon, most=13),
    "lvs_timeouts": Keyword("lvs_timeouts [tcp SECONDS] [tcpfin SECONDS] [udp SECONDS]", _timeouts, most=6),
    "lvs_flush": fields.switch("lvs_flush", "flush"),
    "lvs_flush_on_stop": Keyword("lvs_flush_on_stop [VS]", _flush_on_stop, least=0),
    "lvs_notify_fifo": programs.fifo("lvs_notify_fifo", "fifo"),
    "lvs_notify_fifo_script": programs.keyword("lvs_notify_fifo_script", "fifo_script"),
    "rs_init_notifies": fields.boolean("rs_init_notifies", "initial_notifies"),
    "smtp_alert_checker": mail.NO_POOL_MAIL,
    "no_checker_emails": fields.without_effect(
        "no_checker_emails", "mail about pools is left out of vipbus, so there is none"
    ),
}
