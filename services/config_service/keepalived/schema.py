"""How a block's keywords are declared, and the one walk that reads every block by such a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from config_service.keepalived.parser import Statement
from config_service.keepalived.values import near
from config_service.problems import LeftOutError, RefusedError, quoted
from config_service.report import Report


class Draft:
    """A block while it is read: its values, and the statement that gave each of them."""

    __slots__ = ("given", "statement")

    def __init__(self, statement: Statement) -> None:
        self.statement = statement
        self.given: dict[str, Statement] = {}

    def line_of(self, keyword: str) -> int:
        """Where a value was given; the block's own line where it was not."""
        return self.given.get(keyword, self.statement).line

    def void(self, keyword: str, why: str, report: Report) -> None:
        """Warn that a keyword means nothing beside what else is there; only where it was given."""
        said = self.given.get(keyword)
        if said is not None:
            report.warning(said.file, said.line, f"{said.keyword} has no effect here: {why}")


D = TypeVar("D")
"""What a keyword's value is put into: a draft, or a part of one."""
B = TypeVar("B", bound=Draft)


@dataclass(frozen=True)
class Keyword(Generic[D]):
    """One keyword of a block: how it is written, and what puts its value into the draft."""

    usage: str
    """As it is written, for messages: ``priority 1-255``."""
    read: Callable[[D, Statement, Report], None]
    """Puts the value into the draft; `RefusedError` becomes an error at the statement's line."""
    least: int = 1
    """Arguments."""
    most: int = 1
    block: bool = False
    repeats: bool = False
    """True: every further one adds to the first."""
    same_as: str = ""
    """Another spelling of this keyword: only one of both may be given."""
    idle: str = ""
    """Why it has no effect here; each use of it is a warning that says so. Empty: it has one."""


@dataclass(frozen=True)
class Table(Generic[D]):
    """A block's keywords."""

    name: str
    keywords: Mapping[str, Keyword[D]]
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Keywords of keepalived that vipbus goes without, and why; what stands in their blocks is skipped."""
    secret: bool = False
    """True: a word in here may be a password that lost its keyword; no message repeats it."""


TABLES: Final[list[Table[Any]]] = []
"""Every block of the language."""
HOMES: Final[dict[str, list[str]]] = {}
"""In which blocks each keyword is at home; every table enters itself through `declare`."""


def declare(table: Table[D]) -> Table[D]:
    """Make a table's keywords known to the messages about others."""
    TABLES.append(table)
    for keyword in table.keywords:
        HOMES.setdefault(keyword, []).append(table.name)
    return table


def within(part: Callable[[B], D], keywords: Mapping[str, Keyword[D]]) -> dict[str, Keyword[B]]:
    """Make a part's keywords those of the draft that it belongs to."""

    def enter(keyword: Keyword[D]) -> Keyword[B]:
        def read(draft: B, statement: Statement, report: Report) -> None:
            keyword.read(part(draft), statement, report)

        return Keyword(
            keyword.usage,
            read,
            least=keyword.least,
            most=keyword.most,
            block=keyword.block,
            repeats=keyword.repeats,
            same_as=keyword.same_as,
            idle=keyword.idle,
        )

    return {name: enter(keyword) for name, keyword in keywords.items()}


def each_line(statement: Statement, report: Report, read: Callable[[Statement], None]) -> None:
    """Read the lines of a block that holds no keywords; `RefusedError` becomes an error at its line."""
    for line in statement.block or ():
        try:
            if line.block is not None:
                raise RefusedError(f"a line of {statement.keyword} takes no block; remove the braces")
            read(line)
        except LeftOutError as error:
            report.warning(line.file, line.line, str(error))
        except RefusedError as error:
            report.error(line.file, line.line, str(error))


def read_block(statements: tuple[Statement, ...], table: Table[B], draft: B, report: Report) -> None:
    """Read a block's statements into its draft; what is wrong goes into the report."""
    for statement in statements:
        keyword = table.keywords.get(statement.keyword)
        if keyword is None:
            _report_unknown(statement, table, report)
            continue
        before = draft.given.setdefault(keyword.same_as or statement.keyword, statement)
        wrong = ""
        # asked here, and not by a call for each of a hundred thousand
        if (statement.block is not None) != keyword.block or not (
            keyword.least <= len(statement.arguments) <= keyword.most
        ):
            wrong = _wrong_form(statement, keyword)
        if not wrong and before is not statement and not keyword.repeats:
            wrong = (
                f"{statement.keyword} is given twice, first as {quoted(before.keyword)} "
                f"on line {before.line}; remove one"
            )
        if not wrong:
            try:
                keyword.read(draft, statement, report)
            except RefusedError as error:
                wrong = f"{statement.keyword}: {error}"
        if wrong:
            for word in statement.arguments if table.secret else ():
                wrong = wrong.replace(quoted(word), "what follows it")
            report.error(statement.file, statement.line, wrong)


def _wrong_form(statement: Statement, keyword: Keyword[Any]) -> str:
    count = len(statement.arguments)
    if not keyword.least <= count <= keyword.most:
        return (
            f'{statement.keyword} is written "{keyword.usage}", but here {_arguments(count)}; '
            "one statement a line"
        )
    if keyword.block and statement.block is None:
        return f"{statement.keyword} needs a block; add '{{' and '}}' after it"
    if not keyword.block and statement.block is not None:
        return f"{statement.keyword} takes no block; remove the '{{' and '}}' after it"
    return ""


def _arguments(count: int) -> str:
    if count == 0:
        return "nothing follows it"
    return f"{count} arguments follow it" if count > 1 else "one argument follows it"


def _report_unknown(statement: Statement, table: Table[Any], report: Report) -> None:
    word = statement.keyword
    where = f"in {table.name}" if table.name else "at the top of the file"
    if why := table.left_out.get(word):
        report.warning(
            statement.file, statement.line, f"{word} {where} is left out of vipbus on purpose: {why}"
        )
        return
    if table.secret:
        text = f"this is no line of {table.name}; there are {' '.join(table.keywords)}"
    elif homes := HOMES.get(word):
        belongs = ", ".join(f"in {home}" if home else "at the top of the file" for home in homes)
        text = f"{quoted(word)} does not belong {where} but {belongs}; is a brace missing or misplaced?"
    else:
        advice = near(word, table.keywords) or near(word, table.left_out) or "; remove it"
        text = f"unknown keyword {quoted(word)} {where}{advice}"
    report.error(statement.file, statement.line, text)
