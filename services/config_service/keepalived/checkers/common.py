"""What the checkers have in common: when they check, where they go, and what a block around them says of it.

A checker's own word comes first, then the real server's, then the virtual server's, then keepalived's
default. The ranges are keepalived 2.2.7's own, tried out, but for times longer than the contract has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeVar

import msgspec

from config_service.keepalived import fields, values
from config_service.keepalived.parser import Statement
from config_service.keepalived.schema import Draft, Keyword, Table, read_block, within
from config_service.keepalived.trackers import TrackFileDraft
from config_service.problems import RefusedError, quoted
from config_service.report import Report
from vipbus.contracts import Check, CheckBase, Tls

_LONGEST_TIMEOUT: Final = "4294.967295"
_LONGEST: Final = "2678400"
_MOST_RETRIES: Final = 2**32 - 1
_LONGEST_HOST: Final = 255
C = TypeVar("C", bound=CheckBase)


class Knobs:
    """What one level says: a virtual server, a real server, a checker; None: nothing."""

    __slots__ = (
        "alpha",
        "connect_timeout",
        "delay_before_retry",
        "delay_loop",
        "retry",
        "virtual_host",
        "warmup",
    )

    def __init__(self) -> None:
        self.connect_timeout: float | None = None
        self.retry: int | None = None
        self.delay_before_retry: float | None = None
        self.warmup: float | None = None
        self.delay_loop: float | None = None
        self.alpha: bool | None = None
        self.virtual_host: str | None = None


class Connection:
    """Where a checker goes, and how; None: as the real server has it."""

    __slots__ = ("address", "bindto", "interface", "mark", "port", "source", "source_port", "timeout")

    def __init__(self) -> None:
        self.address: values.Address | None = None
        self.port: int | None = None
        self.source: values.Address | None = None
        self.bindto: Statement | None = None
        """Where the source was given."""
        self.source_port = 0
        self.interface: str | None = None
        self.mark = 0
        self.timeout: float | None = None
        """Of a host of SMTP_CHECK alone; the others have it among their knobs."""


@dataclass(frozen=True)
class Surroundings:
    """What the rest of the file says that checkers use."""

    files: Mapping[str, TrackFileDraft]
    """By name."""
    tls: Tls
    script_user: tuple[str, str | None] | None
    script_security: bool
    program_problem: Callable[[str], str]
    """Says why a program will not run on this machine; empty when it may."""
    empty_pools: bool = False
    """True: a virtual server without real servers stays, for they come from elsewhere too."""


@dataclass(frozen=True)
class Site:
    """The real server that is checked, and what is said around the checker."""

    address: values.Address
    port: int
    levels: tuple[Knobs, ...]
    """From the inside: the real server's if it says anything, the virtual server's."""
    around: Surroundings


class CheckerDraft(Draft):
    """What one checker's block says."""

    __slots__ = ("connection", "knobs")

    retry: ClassVar[int] = 1
    """keepalived's default."""
    delay_before_retry: ClassVar[float | None] = 1.0
    """keepalived's default; None: delay_loop."""
    knows_alpha: ClassVar[bool] = True
    speaks_tcp: ClassVar[bool] = False

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.knobs = Knobs()
        self.connection = Connection()

    def checks(self, site: Site, report: Report) -> tuple[Check, ...]:
        """Make the checks; what is wrong goes into the report, and then they mean nothing."""
        raise NotImplementedError

    def alpha(self, site: Site) -> bool:
        """Say whether the real server is down until this has succeeded."""
        return self.knows_alpha and bool(self._word("alpha", site, False))

    def virtual_host(self, site: Site) -> str | None:
        """Give the name that this checker asks for where a URL has none of its own."""
        found: str | None = self._word("virtual_host", site, None)
        return found

    def interval(self, site: Site) -> float:
        """Give the seconds between two rounds."""
        return float(self._word("delay_loop", site, 60.0))

    def address(self, site: Site, connection: Connection | None = None) -> str:
        """Give the address that is checked."""
        own = (connection or self.connection).address
        return own.text if own is not None else site.address.text

    def port(self, site: Site, connection: Connection | None = None) -> int:
        """Give the port that is checked."""
        own = (connection or self.connection).port
        return own if own is not None else site.port

    def steered(self, check: C, site: Site, report: Report, connection: Connection | None = None) -> C:
        """Set a check's knobs; ``connection`` is where it goes, if not where the checker does."""
        way = connection or self.connection
        aim = way.address or site.address
        source = way.source.text if way.source is not None else None
        if way.source is not None and way.source.version != aim.version:
            said, source = way.bindto or self.statement, None
            report.error(
                said.file,
                said.line,
                f"bindto {way.source.text} is IPv{way.source.version}, but {aim.text} is checked, which is "
                f"IPv{aim.version}; choose an address of that family",
            )
        interval = self.interval(site)
        delay = interval if self.delay_before_retry is None else self.delay_before_retry
        return msgspec.structs.replace(
            check,
            interval=interval,
            timeout=way.timeout or float(self._word("connect_timeout", site, 5.0)),
            retry=self._word("retry", site, self.retry),
            delay_before_retry=float(self._word("delay_before_retry", site, delay)),
            warmup=self._word("warmup", site, None),
            source=source,
            source_port=way.source_port,
            interface=way.interface,
            mark=way.mark,
        )

    def _word(self, field: str, site: Site, default: Any) -> Any:
        value = getattr(self.knobs, field)
        if value is not None:
            return value
        for level in site.levels:
            value = getattr(level, field)
            if value is not None:
                return value
        return default


def host_name(word: str) -> str:
    """Read what becomes a Host field."""
    if not word.isascii() or not word.isprintable() or " " in word or not 0 < len(word) <= _LONGEST_HOST:
        raise RefusedError(f"{quoted(word)} is no host's name; write it as a client would send it")
    return word


_LAST_CAUSE: Final = "a verdict names the last cause, and vipbus probe shows each attempt"


def _log_all_failures(_part: object, statement: Statement, report: Report) -> None:
    if not statement.arguments or values.boolean(statement.arguments[0]):
        report.warning(
            statement.file,
            statement.line,
            f"log_all_failures has no effect here: {_LAST_CAUSE}",
        )


def _bindto(way: Connection, statement: Statement, _report: Report) -> None:
    way.source, way.bindto = values.address(statement.arguments[0]), statement


VIRTUAL_HOST: Final[dict[str, Keyword[Knobs]]] = {
    "virtualhost": fields.word("virtualhost", "NAME", "virtual_host", host_name)
}
_TIMES: Final[dict[str, Keyword[Knobs]]] = {
    "delay_before_retry": fields.seconds("delay_before_retry", "delay_before_retry", "0", _LONGEST),
    "warmup": fields.seconds("warmup", "warmup", "0", _LONGEST),
    # keepalived takes a microsecond, too; nothing answers that often
    "delay_loop": fields.seconds("delay_loop", "delay_loop", "0.001", _LONGEST),
}
_TIMEOUT: Final[dict[str, Keyword[Any]]] = {
    "connect_timeout": fields.seconds("connect_timeout", "connect_timeout", "0.000001", _LONGEST_TIMEOUT)
}
AROUND: Final[dict[str, Keyword[Knobs]]] = {
    **_TIMES,
    **_TIMEOUT,
    **VIRTUAL_HOST,
    "retry": fields.whole("retry", "retry", 1, _MOST_RETRIES),
}
"""What the blocks around the checkers may say for them all, alpha apart."""
ALPHA: Final[Keyword[Knobs]] = fields.boolean("alpha", "alpha")
TIMING: Final[dict[str, Keyword[Knobs]]] = {
    **_TIMES,
    "retry": fields.whole("retry", "retry", 0, _MOST_RETRIES),
    "alpha": ALPHA,
    "log_all_failures": Keyword("log_all_failures [on|off]", _log_all_failures, least=0, idle=_LAST_CAUSE),
}
"""What every checker but FILE_CHECK may say of when it checks."""
WAY: Final[dict[str, Keyword[Connection]]] = {
    "connect_ip": fields.word("connect_ip", "ADDRESS", "address", values.address),
    "connect_port": fields.word("connect_port", "PORT", "port", values.port),
    "bindto": Keyword("bindto ADDRESS", _bindto),
    "bind_if": fields.word("bind_if", "NAME", "interface", values.interface),
    "bind_port": fields.word("bind_port", "PORT", "source_port", values.port),
    "fwmark": fields.whole("fwmark", "mark", 0, 2**32 - 1),
}
"""How a checker goes there."""
KNOBS: Final[dict[str, Keyword[Any]]] = {
    **within(lambda draft: draft.knobs, {**TIMING, **_TIMEOUT}),
    **within(lambda draft: draft.connection, WAY),
}
"""What every checker has that connects."""
D = TypeVar("D", bound=CheckerDraft)


def checker(name: str, make: Callable[[Statement], D], table: Table[D]) -> Keyword[Any]:
    """Make the keyword of a checker for the block of a real server."""

    def read(draft: Any, statement: Statement, report: Report) -> None:
        made = make(statement)
        read_block(statement.block or (), table, made, report)
        draft.checkers.append(made)

    return Keyword(f"{name} {{ ... }}", read, least=0, most=0, block=True, repeats=True)
