"""Programs with their arguments, and who runs them: notify scripts, tracking scripts, readers of a FIFO."""

from __future__ import annotations

import re
from typing import Any, Final

from config_service.keepalived import values
from config_service.keepalived.parser import Statement
from config_service.keepalived.schema import Keyword
from config_service.problems import RefusedError, quoted
from config_service.report import Report
from vipbus.contracts import Program

_PIECE: Final = re.compile(r"'([^']*)'|\"([^\"]*)\"|([^\s'\"]+)")
_USER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?")


def command(word: str) -> tuple[str, ...]:
    """Split a command line as keepalived does: at blanks, quotes keep an argument together.

    Raises:
        RefusedError: a quote is open, or there is nothing.
    """
    arguments: list[str] = []
    position, joined = 0, False
    while position < len(word):
        if word[position].isspace():
            position, joined = position + 1, False
            continue
        piece = _PIECE.match(word, position)
        if piece is None:
            raise RefusedError(f"the quote {word[position]} inside the command is never closed; close it")
        text = next(group for group in piece.groups() if group is not None)
        if joined:
            arguments[-1] += text
        else:
            arguments.append(text)
        position, joined = piece.end(), True
    if not arguments or not arguments[0]:
        raise RefusedError("the command is empty; name a program")
    return tuple(arguments)


def user(word: str) -> str:
    """Read the name of a user or group."""
    if _USER.fullmatch(word) is None:
        raise RefusedError(f"{quoted(word)} is no name of a user or group")
    return word


def group(word: str) -> str | None:
    """Read a group after a user; ``:`` before it, or alone, is keepalived's newer spelling."""
    rest = word.removeprefix(":")
    return user(rest) if rest or not word else None


def program(words: tuple[str, ...]) -> Program:
    """Read ``COMMAND [USER [GROUP]]``."""
    return Program(
        arguments=command(words[0]),
        user=user(words[1]) if len(words) > 1 else None,
        group=group(words[2]) if len(words) > 2 else None,
    )


class ProgramLine:
    """A program, and where it was named: what cannot run is told at that line."""

    __slots__ = ("program", "statement")

    def __init__(self, program: Program, statement: Statement) -> None:
        self.program = program
        self.statement = statement


def keyword(name: str, field: str, *, least: int = 1) -> Keyword[Any]:
    """Make a keyword that names a program."""

    def read(part: Any, statement: Statement, _report: Report) -> None:
        if statement.arguments:
            setattr(part, field, ProgramLine(program(statement.arguments), statement))

    return Keyword(f"{name} COMMAND [USER [GROUP]]", read, least=least, most=3)


def fifo(keyword: str, field: str) -> Keyword[Any]:
    """Make a keyword that names a pipe."""

    def read(part: Any, statement: Statement, report: Report) -> None:
        setattr(part, field, absolute(statement.arguments[0]))
        if len(statement.arguments) > 1:
            user_and_group(statement.arguments[1:])
            report.warning(
                statement.file,
                statement.line,
                f"{keyword}: the owner has no effect here: the pipe belongs to the user of vipbus",
            )

    return Keyword(f"{keyword} PATH [USER [GROUP]]", read, most=3)


def user_and_group(words: tuple[str, ...]) -> tuple[str, str | None]:
    """Read ``USER [GROUP]``."""
    return user(words[0]), group(words[1]) if len(words) > 1 else None


def report_missing(line: ProgramLine, problem: str, report: Report) -> None:
    """Warn of a program that will not run on this machine."""
    if problem:
        report.warning(
            line.statement.file,
            line.statement.line,
            f"{line.statement.keyword}: {problem}; put it there before it is needed",
        )


def absolute(word: str) -> str:
    """Read the absolute path of a file."""
    if not word.startswith("/") or not word.isprintable() or len(word) > 4095:
        raise RefusedError(f"{quoted(word)} is no absolute path; begin it with /")
    return word


def host(word: str) -> str:
    """Read the name or address of a host."""
    if ":" in word:
        return values.any_address(word).text
    if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}", word) is None:
        raise RefusedError(f"{quoted(word)} is no host's name or address")
    return word
