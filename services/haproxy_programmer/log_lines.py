"""Read what HAProxy writes to its log: requests that it was asked to tell of, and news of its own. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import msgspec

from vipbus.contracts.limits import UNREADABLE
from vipbus.telemetry.logs import plain

ERRORS, SAMPLE, NOTICES, SAMPLE_ALONE = "local0", "local1", "local2", "local3"
"""Facilities that tell where a line is from: errors, a sample beside them, HAProxy itself, a sample alone."""
_FACILITIES: Final = {16: ERRORS, 17: SAMPLE, 18: NOTICES, 19: SAMPLE_ALONE}
"""By number (RFC 5424, section 6.2.1)."""
_PRIORITY: Final = re.compile(rb"<([0-9]{1,3})>")
_ERROR: Final = 3
_SLOT: Final = re.compile(r"(?:Server |server )([A-Za-z0-9_-]+)/(s[0-9]+)\b")
_OWN: Final = (b"changed from CLI", b"maintenance", b"drain")
"""What follows from the programmer's own commands, which have said it with its cause."""

_Number = Annotated[int, msgspec.Meta(ge=-1, le=2**53 - 1)]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request, a connection, or an attempt at one, as HAProxy has it."""

    at: Annotated[float, msgspec.Meta(ge=0, le=4e9)]
    """Seconds since the epoch."""
    client: str
    port: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0
    proxy: str
    pool: str = ""
    server: str = ""
    """The slot, or ``<NOSRV>``."""
    ended: str = ""
    times: tuple[_Number, _Number, _Number, _Number] = (-1, -1, -1, -1)
    """In the queue, to connect, to the answer's header, in all; milliseconds, -1: not so far."""
    bytes: tuple[_Number, _Number] = (0, 0)
    retries: Annotated[str, msgspec.Meta(pattern=r"\A\+?[0-9]{1,9}\Z")] = "0"
    """With a plus before it where the last one went to another member."""
    status: Annotated[int, msgspec.Meta(ge=-1, le=999)] = 0
    method: str = ""
    host: str = ""
    path: str = ""
    error: str | None = None
    """Why there was not even a request; None: there was one."""
    failed: bool = False
    """HAProxy takes it for an error."""

    @property
    def when(self) -> datetime:
        """When it came."""
        return datetime.fromtimestamp(self.at, UTC)


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What HAProxy says of itself."""

    text: str
    grave: bool
    """An error or worse."""
    pool: str = ""
    """Of the member that it is about."""
    slot: str = ""


class UnreadableLineError(Exception):
    """It is none of ours."""


def origin(line: bytes) -> Literal["request", "notice", "twice", "echo", ""]:
    """Say what a line is without reading it; empty: none.

    A sampled error has come already, by itself. An echo is what a command did: a thousand verdicts are a
    thousand of them, which nobody is to wait for.
    """
    found = _PRIORITY.match(line)
    facility = _FACILITIES.get(int(found[1]) >> 3) if found is not None else None
    if found is None or facility is None:
        return ""
    if facility == SAMPLE and int(found[1]) & 7 <= _ERROR:
        return "twice"
    if facility != NOTICES:
        return "request"
    return "echo" if any(word in line for word in _OWN) else "notice"


def request(line: bytes) -> Request:
    """Read a line of a request.

    Raises:
        UnreadableLineError: it is none.
    """
    found = _PRIORITY.match(line)
    if found is None:
        raise UnreadableLineError("it has no priority")
    try:
        read = msgspec.json.decode(line[found.end() :], type=Request)
    except UNREADABLE as error:
        raise UnreadableLineError(str(error)) from None
    return msgspec.structs.replace(
        read,
        failed=int(found[1]) & 7 <= _ERROR,
        client=plain(read.client[:64]),
        method=said(read.method),
        host=said(read.host),
        path=said(read.path),
    )


def said(text: str) -> str:
    """Give what a client said, each of whose octets came as one letter, as text that harms nobody."""
    if text == "-":
        return ""  # HAProxy has nothing
    octets = text.encode("latin-1", errors="replace")
    return plain(octets.decode("utf-8", errors="backslashreplace"))[:1000]


def notice(line: bytes) -> Notice:
    """Read a line of HAProxy's own.

    Raises:
        UnreadableLineError: it is none.
    """
    found = _PRIORITY.match(line)
    if found is None:
        raise UnreadableLineError("it has no priority")
    text = plain(line[found.end() :].decode("utf-8", errors="backslashreplace").strip())[:500]
    about = _SLOT.search(text)
    return Notice(
        text=text,
        grave=int(found[1]) & 7 <= _ERROR,
        pool=about[1] if about is not None else "",
        slot=about[2] if about is not None else "",
    )


_WHO: Final = {
    "C": "the client left",
    "S": "the real server refused or closed it",
    "P": "HAProxy refused it",
    "L": "HAProxy answered it",
    "R": "HAProxy lacks something for it",
    "I": "a fault in HAProxy ended it",
    "D": "the real server went down",
    "U": "the real server came up",
    "K": "it was ended by command",
    "c": "the client was waited for too long",
    "s": "the real server was waited for too long",
}
_WHERE: Final = {
    "R": "before the request was whole",
    "Q": "in the queue",
    "C": "before there was a connection",
    "H": "before the answer's header was whole",
    "D": "in the middle of the data",
    "L": "with data still to send",
    "T": "in a tarpit",
}


def outcome(read: Request) -> str:
    """Say how it went, in words (configuration.txt, Session state at disconnection)."""
    if read.error is not None:
        detail = said(read.error)
        return "no request could be read" + (f": {detail}" if detail not in ("", "Success") else "")
    who, where = _WHO.get(read.ended[:1], ""), _WHERE.get(read.ended[1:2], "")
    if not who:
        return f"answered {read.status}" if read.status > 0 else "ended as it should"
    return f"{who} {where}".strip()
