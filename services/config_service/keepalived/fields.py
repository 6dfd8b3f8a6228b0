"""Keywords of the common forms: a flag, a yes or no, a number, a time, a name, each put into one field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from config_service.keepalived import values
from config_service.keepalived.parser import Statement
from config_service.keepalived.schema import Keyword
from config_service.problems import quoted
from config_service.report import Report

_MANY: Final = 64
"""Arguments of a keyword that is not looked at."""


def flag(keyword: str, field: str, value: object = True, *, same_as: str = "") -> Keyword[Any]:
    """Make a keyword that stands alone; ``value`` is what it puts into the field."""

    def read(part: Any, _statement: Statement, _report: Report) -> None:
        setattr(part, field, value)

    return Keyword(keyword, read, least=0, most=0, same_as=same_as)


def switch(keyword: str, field: str) -> Keyword[Any]:
    """Make a keyword that stands alone and of which keepalived ignores what stands after it."""

    def read(part: Any, statement: Statement, report: Report) -> None:
        setattr(part, field, True)
        ignored(statement, report)

    return Keyword(keyword, read, least=0)


def ignored(statement: Statement, report: Report) -> None:
    """Warn of a word after a keyword that is on with it and without it."""
    if statement.arguments:
        report.warning(
            statement.file,
            statement.line,
            f"{statement.keyword} takes no value here, and is on whatever stands after it; remove "
            f"{quoted(statement.arguments[0])}, or {statement.keyword}",
        )


def boolean(keyword: str, field: str) -> Keyword[Any]:
    """Make a keyword that stands alone or before a yes or no."""

    def read(part: Any, statement: Statement, _report: Report) -> None:
        setattr(part, field, not statement.arguments or values.boolean(statement.arguments[0]))

    return Keyword(f"{keyword} [on|off]", read, least=0)


def whole(keyword: str, field: str, low: int, high: int) -> Keyword[Any]:
    """Make a keyword with a whole number, negative ones included where ``low`` is."""

    def read(part: Any, statement: Statement, _report: Report) -> None:
        number = values.signed if low < 0 else values.integer
        setattr(part, field, number(statement.arguments[0], low, high))

    return Keyword(f"{keyword} {low}-{high}" if low >= 0 else f"{keyword} NUMBER", read)


def seconds(keyword: str, field: str, low: str, high: str) -> Keyword[Any]:
    """Make a keyword with a time, fractions included."""

    def read(part: Any, statement: Statement, _report: Report) -> None:
        setattr(part, field, float(values.seconds(statement.arguments[0], low, high)))

    return Keyword(f"{keyword} SECONDS", read)


def whole_seconds(keyword: str, field: str, low: int, high: int) -> Keyword[Any]:
    """Make a keyword with a time that keepalived takes in whole seconds only."""

    def read(part: Any, statement: Statement, _report: Report) -> None:
        setattr(part, field, float(values.integer(statement.arguments[0], low, high)))

    return Keyword(f"{keyword} SECONDS", read)


def word(
    keyword: str, what: str, field: str, value: Callable[[str], object], *, same_as: str = ""
) -> Keyword[Any]:
    """Make a keyword with one word that ``value`` reads."""

    def read(part: Any, statement: Statement, _report: Report) -> None:
        setattr(part, field, value(statement.arguments[0]))

    return Keyword(f"{keyword} {what}", read, same_as=same_as)


def without_effect(keyword: str, why: str) -> Keyword[Any]:
    """Make a keyword that is taken and means nothing here: a warning says why."""

    def read(_part: Any, statement: Statement, report: Report) -> None:
        report.warning(statement.file, statement.line, f"{keyword} has no effect here: {why}")

    return Keyword(f"{keyword} ...", read, least=0, most=_MANY, repeats=True, idle=why)
