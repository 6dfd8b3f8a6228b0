"""FILE_CHECK: a number in a file that moves the weight, or says down (keepalived.conf(5))."""

from __future__ import annotations

from typing import ClassVar, Final

from config_service.keepalived import fields, left_out, values
from config_service.keepalived.checkers.common import CheckerDraft, Site
from config_service.keepalived.parser import Statement
from config_service.keepalived.schema import Keyword, Table, declare
from config_service.report import Report
from vipbus.contracts import Check, FileCheck

_MOST_WEIGHT: Final = 2**31 - 1
_INTERVAL: Final = 1.0
"""keepalived is told of a change by inotify and has no interval here; a look costs next to nothing."""


class FileDraft(CheckerDraft):
    """What one ``FILE_CHECK`` says; no weight: the file's own."""

    __slots__ = ("name", "weight")

    knows_alpha: ClassVar[bool] = False

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.name: str | None = None
        self.weight: int | None = None

    def checks(self, site: Site, report: Report) -> tuple[Check, ...]:
        """Make the check; none without a file, which is reported."""
        if self.name is None:
            if "track_file" not in self.given:
                report.error(self.statement.file, self.statement.line, "FILE_CHECK has no track_file; add it")
            return ()
        source = site.around.files.get(self.name)
        if source is None or source.path is None:
            if source is None:
                why = values.missing("track_file", self.name, site.around.files)
                report.error(self.statement.file, self.line_of("track_file"), why)
            return ()
        own = -source.weight if source.reverse else source.weight
        check = FileCheck(
            address=site.address.text,
            port=site.port,
            interval=_INTERVAL,
            timeout=_INTERVAL,
            retry=0,
            path=source.path,
            weight=own if self.weight is None else self.weight,
        )
        return (check,)


def _weight(draft: FileDraft, statement: Statement, _report: Report) -> None:
    weight = values.signed(statement.arguments[0], -_MOST_WEIGHT, _MOST_WEIGHT)
    if len(statement.arguments) > 1:
        direction = values.choice(statement.arguments[1], ("reverse", "noreverse"))
        weight = -weight if direction == "reverse" else weight
    draft.weight = weight


FILE_CHECK: Final = declare(
    Table(
        "FILE_CHECK",
        {
            "track_file": fields.word("track_file", "NAME", "name", values.name),
            "weight": Keyword("weight NUMBER [reverse]", _weight, most=2),
        },
        left_out.FILE_CHECK,
    )
)
