"""MISC_CHECK: a program (keepalived.conf(5))."""

from __future__ import annotations

from typing import ClassVar, Final

from config_service.keepalived import fields, programs
from config_service.keepalived.checkers.common import TIMING, CheckerDraft, Site
from config_service.keepalived.parser import Statement
from config_service.keepalived.programs import ProgramLine
from config_service.keepalived.schema import Keyword, Table, declare, within
from config_service.problems import RefusedError
from config_service.report import Report
from vipbus.contracts import Check, Program, ScriptCheck

_LONGEST: Final = 4294


class MiscDraft(CheckerDraft):
    """What one ``MISC_CHECK`` says."""

    __slots__ = ("dynamic", "line", "timeout", "user")

    retry: ClassVar[int] = 0

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.line: ProgramLine | None = None
        self.timeout = 0.0
        self.dynamic = False
        self.user: tuple[str, str | None] | None = None

    def checks(self, site: Site, report: Report) -> tuple[Check, ...]:
        """Make the check; none without a program, which was reported."""
        if self.line is None:
            if "misc_path" not in self.given:
                report.error(self.statement.file, self.statement.line, "MISC_CHECK has no misc_path; add it")
            return ()
        arguments = self.line.program.arguments
        programs.report_missing(self.line, site.around.program_problem(arguments[0]), report)
        user, group = self.user or site.around.script_user or (None, None)
        # not given, or 0, it has until the next round
        self.connection.timeout = self.timeout or self.interval(site)
        check = ScriptCheck(
            address=site.address.text,
            port=site.port,
            program=Program(arguments=arguments, user=user, group=group),
            dynamic=self.dynamic,
            secure=site.around.script_security,
        )
        return (self.steered(check, site, report),)


def _misc_path(draft: MiscDraft, statement: Statement, _report: Report) -> None:
    if len(statement.arguments) > 1:
        raise RefusedError("a command with arguments stands in quotes; keepalived would drop them without")
    draft.line = ProgramLine(programs.program(statement.arguments), statement)


def _user(draft: MiscDraft, statement: Statement, _report: Report) -> None:
    draft.user = programs.user_and_group(statement.arguments)


MISC_CHECK: Final = declare(
    Table(
        "MISC_CHECK",
        {
            **within(lambda draft: draft.knobs, TIMING),
            "misc_path": Keyword('misc_path "COMMAND"', _misc_path, most=64),
            "misc_timeout": fields.whole_seconds("misc_timeout", "timeout", 0, _LONGEST),
            "misc_dynamic": fields.flag("misc_dynamic", "dynamic"),
            "user": Keyword("user USER [GROUP]", _user, most=2),
        },
    )
)
