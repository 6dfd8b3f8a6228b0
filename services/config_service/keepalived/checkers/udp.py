"""UDP_CHECK: a datagram, and perhaps an answer (keepalived.conf(5))."""

from __future__ import annotations

import re
from typing import Final

from config_service.keepalived import fields
from config_service.keepalived.checkers.common import KNOBS, CheckerDraft, Site
from config_service.keepalived.parser import Statement
from config_service.keepalived.schema import Keyword, Table, declare
from config_service.problems import RefusedError, quoted
from config_service.report import Report
from vipbus.contracts import Check, UdpCheck

_LARGEST: Final = 65507
"""Octets that fit into a datagram of IPv4."""
_MOST_WORDS: Final = 4096
_HEXADECIMAL: Final = re.compile(r"[0-9A-Fa-f]+")
_WITH_ANY: Final = re.compile(r"[0-9A-Fa-fXx]+")


class UdpDraft(CheckerDraft):
    """What one ``UDP_CHECK`` says."""

    __slots__ = ("longest", "mask", "payload", "reply", "require_reply", "shortest")

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.payload = ""
        self.require_reply = False
        self.reply = ""
        self.mask = ""
        self.shortest = 0
        self.longest: int | None = None

    def checks(self, site: Site, report: Report) -> tuple[Check, ...]:
        """Make the check."""
        # keepalived 2.2.7 keeps to its 255 only where octets are given
        longest = 65535 if self.longest is None else self.longest
        if not self.require_reply:
            for keyword in ("min_reply_length", "max_reply_length"):
                self.void(keyword, "no reply is required; add require_reply", report)
        elif self.shortest > longest:
            line = self.line_of("max_reply_length")
            report.error(
                self.statement.file,
                line,
                f"max_reply_length {longest} is less than min_reply_length {self.shortest}; correct one",
            )
        check = UdpCheck(
            address=self.address(site),
            port=self.port(site),
            payload=self.payload,
            require_reply=self.require_reply,
            reply=self.reply,
            reply_mask=self.mask,
            min_reply_length=self.shortest,
            max_reply_length=longest,
        )
        return (self.steered(check, site, report),)


def _octets(words: tuple[str, ...], form: re.Pattern[str]) -> str:
    """Read octets: two digits each, where an odd one at a word's end is an octet of its own."""
    found: list[str] = []
    for word in " ".join(words).split():
        if form.fullmatch(word) is None:
            raise RefusedError(f"{quoted(word)} is no hexadecimal number; write octets as 0d 0a ff")
        odd = len(word) % 2
        found.append(f"{word[:-1]}0{word[-1]}" if odd else word)
    octets = "".join(found).lower()
    if len(octets) > 2 * _LARGEST:
        raise RefusedError(f"{len(octets) // 2} octets fit into no datagram; {_LARGEST} do")
    return octets


def _payload(draft: UdpDraft, statement: Statement, _report: Report) -> None:
    draft.payload = _octets(statement.arguments, _HEXADECIMAL)


def _require_reply(draft: UdpDraft, statement: Statement, _report: Report) -> None:
    draft.require_reply = True
    digits = _octets(statement.arguments, _WITH_ANY)
    draft.reply = digits.replace("x", "0")
    if "x" in digits:
        draft.mask = "".join("0" if digit == "x" else "f" for digit in digits)


UDP_CHECK: Final[Table[UdpDraft]] = declare(
    Table(
        "UDP_CHECK",
        {
            **KNOBS,
            "payload": Keyword("payload OCTETS", _payload, most=_MOST_WORDS),
            "require_reply": Keyword("require_reply [OCTETS]", _require_reply, least=0, most=_MOST_WORDS),
            "min_reply_length": fields.whole("min_reply_length", "shortest", 0, 65535),
            "max_reply_length": fields.whole("max_reply_length", "longest", 0, 65535),
        },
    )
)
