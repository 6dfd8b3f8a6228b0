"""One ``url`` of HTTP_GET and SSL_GET: what is asked for, and what must come (keepalived.conf(5))."""

from __future__ import annotations

import re
from typing import Final, cast

from config_service.keepalived import fields, values
from config_service.keepalived.checkers.common import host_name
from config_service.keepalived.parser import Statement
from config_service.keepalived.schema import Draft, Keyword, Table, declare
from config_service.patterns import check_pattern
from config_service.problems import RefusedError, quoted
from config_service.report import Report
from vipbus.contracts import Header, HttpRequest, StatusRange
from vipbus.contracts.checks import SUCCESS, RegexOption

_PATH: Final = re.compile(r"/[!-~]{0,8190}")
_DIGEST: Final = re.compile(r"[0-9A-Fa-f]{32}")
_RANGE: Final = re.compile(r"([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?")
_MOST_RANGES: Final = 500
_FURTHEST: Final = 2**31 - 2
_OPTIONS: Final = ("caseless", "dotall", "extended", "firstline", "multiline", "ungreedy", "utf")
_IDLE: Final = (
    "alt_verbnames",
    "auto_callout",
    "dupnames",
    "never_backslash_c",
    "never_ucp",
    "never_utf",
    "no_auto_possess",
    "no_dotstar_anchor",
    "no_start_optimize",
    "use_offset_limit",
)
"""They speed PCRE up or hold it back, and change no match."""
_FOREIGN: Final = (
    "allow_empty_class",
    "alt_bsux",
    "alt_circumflex",
    "dollar_endonly",
    "match_unset_backref",
    "no_auto_capture",
    "ucp",
)
"""They change what matches, and vipbus's library has no such thing."""


class UrlDraft(Draft):
    """What one ``url`` says."""

    __slots__ = (
        "digest",
        "first",
        "host",
        "last",
        "no_match",
        "options",
        "path",
        "regex",
        "status",
    )

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.path = "/"
        self.digest: str | None = None
        self.status: tuple[StatusRange, ...] = SUCCESS
        self.host: str | None = None
        self.regex = ""
        self.no_match = False
        self.options: tuple[RegexOption, ...] = ()
        self.first = 0
        self.last: int | None = None

    def request(self, host: str | None, headers: tuple[Header, ...], report: Report) -> HttpRequest:
        """Make the request; ``host`` is what is around the URL says."""
        if "path" not in self.given:
            report.error(self.statement.file, self.statement.line, "url has no path; add it")
        if not self.regex:
            for keyword in ("regex_no_match", "regex_options", "regex_min_offset", "regex_max_offset"):
                self.void(keyword, "there is no regex; add one", report)
        else:
            self._check_regex(report)
        return HttpRequest(
            path=self.path,
            host=self.host or host,
            headers=headers,
            status=self.status,
            digest=self.digest,
            regex=self.regex,
            regex_no_match=self.no_match,
            regex_options=self.options,
            regex_min_offset=self.first,
            # keepalived names the last octet, and ours is the one after it
            regex_max_offset=None if self.last is None else self.last + 1,
        )

    def _check_regex(self, report: Report) -> None:
        try:
            check_pattern(self.regex, self.options)
        except RefusedError as error:
            report.error(self.statement.file, self.line_of("regex"), f"regex: {error}")
        if self.last is not None and self.last < self.first:
            report.error(
                self.statement.file,
                self.line_of("regex_max_offset"),
                f"regex_max_offset {self.last} is less than regex_min_offset {self.first}: nothing can "
                "match; correct one",
            )


def _path(word: str) -> str:
    if _PATH.fullmatch(word) is None:
        raise RefusedError(
            f"{quoted(word)} is no path; begin it with / and write blanks and letters beyond ASCII as %20"
        )
    return word


def _digest(word: str) -> str:
    if _DIGEST.fullmatch(word) is None:
        raise RefusedError(f"{quoted(word)} is no MD5 digest; write its 32 hexadecimal digits")
    return word.lower()


def _status_code(draft: UrlDraft, statement: Statement, _report: Report) -> None:
    spans: list[tuple[int, int]] = []
    for word in statement.arguments:
        found = _RANGE.fullmatch(word)
        if found is None or int(found[1]) > int(found[2] or found[1]):
            raise RefusedError(
                f"{quoted(word)} is no status code or range; write 200, or 200-299 (100 to 599)"
            )
        spans.append((int(found[1]), int(found[2] or found[1])))
    draft.status = joined(spans)


def joined(spans: list[tuple[int, int]]) -> tuple[StatusRange, ...]:
    """Sort ranges and join those that meet: one way to say what is the same."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return tuple(StatusRange(first=first, last=last) for first, last in found)


def _regex(draft: UrlDraft, statement: Statement, _report: Report) -> None:
    if not statement.arguments[0]:
        raise RefusedError("the regular expression is empty; remove it, or write one")
    draft.regex = statement.arguments[0]


def _regex_options(draft: UrlDraft, statement: Statement, report: Report) -> None:
    words = statement.arguments
    for word in words:
        if word in _FOREIGN and not (word == "ucp" and "utf" in words):  # with utf it is so anyway
            raise RefusedError(f"{quoted(word)} is PCRE's alone; write the expression so that it needs none")
        if word in _IDLE:
            report.warning(
                statement.file, statement.line, f"regex_options {word} has no effect here; remove it"
            )
        elif word != "ucp":
            values.choice(word, _OPTIONS)
    draft.options = cast(tuple[RegexOption, ...], tuple(one for one in _OPTIONS if one in words))


URL: Final = declare(
    Table(
        "url",
        {
            "path": fields.word("path", "PATH", "path", _path),
            "digest": fields.word("digest", "MD5", "digest", _digest),
            "status_code": Keyword("status_code CODE|RANGE ...", _status_code, most=_MOST_RANGES),
            "virtualhost": fields.word("virtualhost", "NAME", "host", host_name),
            "regex": Keyword("regex EXPRESSION", _regex),
            "regex_no_match": fields.flag("regex_no_match", "no_match"),
            "regex_options": Keyword("regex_options OPTION ...", _regex_options, most=32),
            "regex_min_offset": fields.whole("regex_min_offset", "first", 0, _FURTHEST),
            "regex_max_offset": fields.whole("regex_max_offset", "last", 0, _FURTHEST),
            "regex_stack": fields.without_effect("regex_stack", "vipbus's library grows its own"),
        },
    )
)
