"""What an HTTP check asks, and whether what came back will do; the same for every version of HTTP.

Pure: whoever reads and writes the connection hands an `Answer` in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Final
from urllib.parse import urljoin, urlsplit

import msgspec

from health_prober.attempt import CheckFailedError, Passed
from health_prober.causes import quoted
from health_prober.regexes import found
from vipbus.contracts import HttpCheck, HttpRequest, StatusRange

USER_AGENT: Final = "vipbus"
MOST_CONTENT: Final = 1 << 20
"""Octets of content that are read of a response; what comes after is of no interest to a check."""
REGEX_WITHIN: Final = 1.0
"""Seconds that a regular expression may take: content from a hostile server must not hold a prober up."""
_DEFAULT_PORTS = (80, 443)
_SEES_OTHER = 303
_REDIRECTS = (301, 302, _SEES_OTHER, 307, 308)
"""RFC 9110, section 15.4."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """The final response to one request."""

    status: int
    content: bytes = b""
    location: str = ""
    """The field Location, where there was one."""
    whole: bool = True
    """False: there was more content than `MOST_CONTENT`."""


# ---- what is asked


def host_of(check: HttpCheck, request: HttpRequest) -> str:
    """Give the Host field (RFC 9110, section 7.2): the check's address, and its port unless that is usual."""
    if request.host is not None:
        return request.host.strip()
    address = f"[{check.address}]" if ":" in check.address else check.address
    return address if check.port == _DEFAULT_PORTS[check.tls is not None] else f"{address}:{check.port}"


def fields_of(request: HttpRequest) -> list[tuple[str, str]]:
    """List a request's fields in any version of HTTP, Host left out; what is configured wins."""
    given = [(header.name, header.value.strip()) for header in request.headers]
    names = {name.lower() for name, _ in given}
    fields = [] if "user-agent" in names else [("User-Agent", USER_AGENT)]
    sized = "content-length" in names or "transfer-encoding" in names
    if not sized and (request.body or request.method in ("POST", "PUT", "PATCH")):
        fields.append(("Content-Length", str(len(request.body.encode()))))
    return [*fields, *((name, value) for name, value in given if name.lower() != "host")]


def octets_of(check: HttpCheck, request: HttpRequest) -> bytes:
    """Write a request for HTTP/1 (RFC 9112): one to a connection."""
    fields = fields_of(request)
    if all(name.lower() != "connection" for name, _ in fields):
        fields.insert(0, ("Connection", "close"))
    given = [header.value.strip() for header in request.headers if header.name.lower() == "host"]
    lines = [
        f"{request.method} {request.path} HTTP/{check.version}",
        f"Host: {given[0] if given else host_of(check, request)}",
        *(f"{name}: {value}" for name, value in fields),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + request.body).encode()


def redirected(check: HttpCheck, request: HttpRequest, answer: Answer) -> HttpRequest | None:
    """Give the request that a redirect leads to on the same server; None: what came is to be judged.

    A redirect to another scheme leads to another server. One to another name does not: it is asked of the
    same server, by that name.
    """
    if not request.redirects or answer.status not in _REDIRECTS or not answer.location:
        return None
    try:
        url = urlsplit(answer.location)
        if url.scheme not in ("", "https" if check.tls is not None else "http"):
            return None
        aim = urlsplit(urljoin(f"http://host{request.path}", answer.location))
        becomes_get = answer.status == _SEES_OTHER or (
            answer.status < _SEES_OTHER and request.method == "POST"
        )
        changed = msgspec.structs.replace(
            request,
            path=(aim.path or "/") + (f"?{aim.query}" if aim.query else ""),
            host=url.netloc.rpartition("@")[2] or request.host,
            redirects=request.redirects - 1,
            method="GET" if becomes_get and request.method != "HEAD" else request.method,
            body="" if becomes_get else request.body,
        )
        # a struct checks its patterns only when it is decoded, and this came from a server
        return msgspec.convert(msgspec.to_builtins(changed), HttpRequest)
    except (ValueError, msgspec.ValidationError):
        return None


# ---- in which order, where a server is down


class Recovery:
    """The request that failed last of each check with ``fast_recovery``: it is asked first next time."""

    def __init__(self) -> None:
        self._failed: dict[HttpCheck, int] = {}

    def order(self, check: HttpCheck) -> Iterator[tuple[int, HttpRequest]]:
        """Give a check's requests with their numbers, in the order in which they are to be asked."""
        requests = check.requests or (HttpRequest(),)
        first = self._failed.get(check, 0) if check.fast_recovery else 0
        return ((at, requests[at]) for at in (*range(first, len(requests)), *range(first)))

    def failed(self, check: HttpCheck, number: int) -> None:
        """Note that this request failed."""
        if check.fast_recovery and len(check.requests) > 1:
            self._failed[check] = number

    def passed(self, check: HttpCheck) -> None:
        """Note that all requests did."""
        self._failed.pop(check, None)


RECOVERY: Final = Recovery()
"""Of this process."""


# ---- what came


def judge(request: HttpRequest, answer: Answer, *, regex_within: float = REGEX_WITHIN) -> Passed:
    """Judge a final response.

    A regular expression lets other threads work while it looks, but may take ``regex_within`` seconds of
    this one; whoever serves others meanwhile calls this from a thread of its own.

    Raises:
        CheckFailedError: it is not what was asked for.
        NotTriedError: the regular expression is none.
    """
    status = answer.status
    for wanted in request.status:
        if wanted.first <= status <= wanted.last:
            break
    else:
        if request.status:
            raise CheckFailedError(f"wrong status {status} (wanted {ranges(request.status)})")
    if request.digest is not None:
        _whole(answer)
        if hashlib.md5(answer.content, usedforsecurity=False).hexdigest() != request.digest.lower():
            raise CheckFailedError("digest differs")
    if request.regex:
        _look(request, answer, regex_within)
    return _passed(status)


@lru_cache(maxsize=1024)
def _passed(status: int) -> Passed:
    return Passed(note=f"status {status}")


def blamed(check: HttpCheck, request: HttpRequest, cause: str) -> str:
    """Name the request that failed where there are several; without its query, which may be secret."""
    if len(check.requests) < 2:
        return cause
    return f"{quoted(request.path.partition('?')[0])}: {cause}"


def ranges(status: tuple[StatusRange, ...]) -> str:
    """Write status ranges for people: ``200-299, 404``."""
    return ", ".join(
        str(each.first) if each.first == each.last else f"{each.first}-{each.last}" for each in status
    )


def _whole(answer: Answer) -> None:
    if not answer.whole:
        raise CheckFailedError("more than 1 MiB of content")


def _look(request: HttpRequest, answer: Answer, within: float) -> None:
    content = answer.content
    first, end = request.regex_min_offset, request.regex_max_offset
    if "firstline" in request.regex_options and (newline := content.find(b"\n", first)) >= 0:
        end = newline + 1 if end is None else min(end, newline + 1)
    subject: bytes | str = content
    if "utf" in request.regex_options:
        subject = content.decode(errors="replace")
        first = _letters(content, first)
        end = None if end is None else _letters(content, end)
    match = None
    if first <= len(subject):
        match = found(request.regex, request.regex_options, subject, first, within)
    # the first match is the leftmost: if it begins too late, all do
    matches = match is not None and (end is None or match.start() < end)
    if not matches:
        # what was not read might have matched, and nobody knows
        _whole(answer)
    if matches == request.regex_no_match:
        raise CheckFailedError(
            f"regex {quoted(request.regex)!r} {'matches' if matches else 'does not match'}"
        )


def _letters(content: bytes, octets: int) -> int:
    """Turn an offset in octets, which PCRE counts also in UTF mode, into one in characters."""
    return len(content[:octets].decode(errors="replace"))
