"""DNS_CHECK: a question by UDP (keepalived.conf(5))."""

from __future__ import annotations

from typing import ClassVar, Final

from config_service.keepalived import fields, values
from config_service.keepalived.checkers.common import KNOBS, CheckerDraft, Site
from config_service.keepalived.parser import Statement
from config_service.keepalived.schema import Table, declare
from config_service.problems import RefusedError, quoted
from config_service.report import Report
from vipbus.contracts import Check, DnsCheck

_TYPES: Final = ("A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA", "RRSIG", "DNSKEY")
"""keepalived's; the last two are not in its manual."""
_LONGEST_LABEL, _LONGEST_NAME = 63, 253
"""RFC 1035, section 2.3.4: 255 octets on the wire."""


class DnsDraft(CheckerDraft):
    """What one ``DNS_CHECK`` says."""

    __slots__ = ("name", "type")

    retry: ClassVar[int] = 3
    delay_before_retry: ClassVar[float | None] = None

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.type = "SOA"
        self.name = "."

    def checks(self, site: Site, report: Report) -> tuple[Check, ...]:
        """Make the check."""
        check = DnsCheck(
            address=self.address(site),
            port=self.port(site),
            type=self.type,
            name=self.name,
            allow_empty=True,  # of the answer keepalived 2.2.7 reads the header alone
        )
        return (self.steered(check, site, report),)


def _type(word: str) -> str:
    return values.choice(word.upper() if word.upper() in _TYPES else word, _TYPES)


def domain_name(word: str) -> str:
    """Read a domain name, with or without the last dot."""
    if word == ".":
        return word
    labels = word.removesuffix(".").split(".")
    if not word.isascii() or not word.isprintable() or " " in word:
        raise RefusedError(f"{quoted(word)} is no domain name; write other letters than ASCII as xn--...")
    if any(not 0 < len(label) <= _LONGEST_LABEL for label in labels):
        raise RefusedError(f"{quoted(word)} is no domain name; labels have 1 to {_LONGEST_LABEL} characters")
    if len(word.removesuffix(".")) > _LONGEST_NAME:
        raise RefusedError(f"{quoted(word)} is no domain name; it has more than {_LONGEST_NAME} characters")
    return word


DNS_CHECK: Final = declare(
    Table(
        "DNS_CHECK",
        {
            **KNOBS,
            "type": fields.word("type", "TYPE", "type", _type),
            "name": fields.word("name", "NAME", "name", domain_name),
        },
    )
)
