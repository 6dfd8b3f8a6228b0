"""Reads one response of HTTP/1 as it comes, with llhttp; whoever has the socket hands the octets in."""

from __future__ import annotations

import contextlib
from typing import Final

import httptools

from health_prober.attempt import CheckFailedError
from health_prober.causes import quoted
from health_prober.http_judge import MOST_CONTENT, Answer

_MOST_HEAD: Final = 1 << 16
"""Octets until the content of a response must begin."""
_MOST: Final = MOST_CONTENT + 2 * _MOST_HEAD
"""Octets that are looked at in all: chunks may be all frame and no content."""
_UPGRADED = 101


class Response:
    """One response being read; `close` it, or it takes the garbage collector to free it."""

    __slots__ = (
        "_bodiless",
        "_complete",
        "_head",
        "_headed",
        "_parser",
        "_pieces",
        "_read",
        "_size",
        "status",
    )

    on_header = on_status = on_message_begin = on_chunk_header = on_chunk_complete = None
    """The parser asks for these; each call costs, and a check needs none."""

    def __init__(self, method: str = "GET") -> None:
        self.status = 0
        """0: not known yet."""
        self._bodiless = method == "HEAD"
        self._complete = False
        self._headed = False
        self._head: list[bytes] = []
        self._pieces: list[bytes] = []
        self._size = 0
        self._read = 0
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    def close(self) -> None:
        """Let go of the parser, which holds this object."""
        self._parser = None

    def feed(self, octets: bytes) -> bool:
        """Take what came, at least one octet; True once no more is needed.

        Raises:
            CheckFailedError: it is no response of HTTP/1, or its head has no end.
        """
        assert self._parser is not None  # noqa: S101  # nobody feeds what is closed
        self._read += len(octets)
        if not self._headed:
            self._head.append(octets)
        try:
            self._parser.feed_data(octets)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            # what follows a whole response is nobody's business
            if not self._complete:
                raise CheckFailedError(self._garbage(error)) from None
        if self._complete:
            return True
        if self._headed:
            return self._size > MOST_CONTENT or self._read > _MOST
        if self._read > _MOST_HEAD:
            raise CheckFailedError("more than 64 KiB of header")
        return False

    def closed(self) -> None:
        """Take the end of the connection, after which no more comes.

        Raises:
            CheckFailedError: the response was not whole.
        """
        if self._complete:
            return
        if not self._headed:
            raise CheckFailedError("closed in the header" if self._read else "closed before a response came")
        # without a length the end of the connection is the end of the content (RFC 9112, section 6.3)
        if self._fields("content-length") or self._fields("transfer-encoding"):
            raise CheckFailedError("closed in the content")

    def answer(self) -> Answer:
        """Give what came, once `feed` returned True or `closed` returned."""
        whole = self._size <= MOST_CONTENT and self._read <= _MOST
        content = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        location = self._fields("location") if 300 <= self.status < 400 else ""
        return Answer(self.status, content[:MOST_CONTENT], location, whole)

    def on_headers_complete(self) -> None:
        """For the parser."""
        assert self._parser is not None  # noqa: S101  # it calls
        self.status = self._parser.get_status_code()
        if self.status >= 200 or self.status == _UPGRADED:
            self._headed = True
            self._complete = self._bodiless or self.status == _UPGRADED

    def on_body(self, octets: bytes) -> None:
        """For the parser."""
        if self._size <= MOST_CONTENT:
            self._pieces.append(octets)
            self._size += len(octets)

    def on_message_complete(self) -> None:
        """For the parser; an interim response (RFC 9110, section 15.2) is followed by another."""
        self._complete = self._headed

    def _fields(self, name: str) -> str:
        """Find a field in the head, which is kept and parsed again only where one is asked for."""
        return Fields(b"".join(self._head)).found.get(name, "")

    def _garbage(self, error: Exception) -> str:
        if self._headed:
            return f"broken content ({quoted(str(error))})"
        began = b"".join(self._head)[:80].decode("latin-1")
        return f"no HTTP response: {quoted(began)!r}"


class Fields:
    """The fields of a response's head."""

    def __init__(self, head: bytes) -> None:
        self.found: dict[str, str] = {}
        parser = httptools.HttpResponseParser(self)
        with contextlib.suppress(httptools.HttpParserError, httptools.HttpParserUpgrade):
            parser.feed_data(head)  # what follows the head may be anything

    def on_header(self, name: bytes, value: bytes) -> None:
        """For the parser; the last of an interim and a final response counts."""
        self.found[name.decode("latin-1").lower()] = value.decode("latin-1").strip()
