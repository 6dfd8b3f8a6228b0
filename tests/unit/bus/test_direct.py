"""The short way for messages: whatever the socket's bytes are and wherever they are cut, the same arrives."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

import nats.errors
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipbus.bus.direct import DirectParser

Heard = tuple[str, bytes, bytes, bytes, bytes]


class Client:
    """What the library's parser calls, noted."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None
    ) -> None:
        self.heard.append((f"library {sid}", subject, reply, headers or b"", data))

    async def _process_ping(self) -> None:
        self.heard.append(("ping", b"", b"", b"", b""))

    async def _process_pong(self) -> None:
        self.heard.append(("pong", b"", b"", b"", b""))

    async def _process_err(self, words: str) -> None:
        self.heard.append((words, b"", b"", b"", b""))

    async def _process_info(self, _info: object) -> None:
        self.heard.append(("info", b"", b"", b"", b""))


def parse(pieces: Sequence[bytes]) -> list[Heard]:
    client = Client()
    parser = DirectParser(client)  # type: ignore[arg-type]  # it does what is used
    parser.direct[b"7"] = lambda *found: client.heard.append(("direct", *found))

    async def feed() -> None:
        for piece in pieces:
            await parser.parse(piece)

    asyncio.run(feed())
    return client.heard


HEADERS = b"NATS/1.0\r\na: b\r\n\r\n"
STREAM: list[tuple[bytes, Heard]] = [
    (b"MSG a.b 7 3\r\nxyz\r\n", ("direct", b"a.b", b"", b"", b"xyz")),
    (b"MSG a.b 7 $JS.ACK.x 0\r\n\r\n", ("direct", b"a.b", b"$JS.ACK.x", b"", b"")),
    (b"HMSG a 7 18 20\r\n" + HEADERS + b"\r\n\r\n", ("direct", b"a", b"", HEADERS, b"\r\n")),
    (b"HMSG a 7 r 18 21\r\n" + HEADERS + b"MSG\r\n", ("direct", b"a", b"r", HEADERS, b"MSG")),
    (b"MSG a.b 8 3\r\nxyz\r\n", ("library 8", b"a.b", b"", b"", b"xyz")),
    (b"HMSG a 8 r 18 19\r\n" + HEADERS + b"1\r\n", ("library 8", b"a", b"r", HEADERS, b"1")),
    (b"PING\r\n", ("ping", b"", b"", b"", b"")),
    (b"PONG\r\n", ("pong", b"", b"", b"", b"")),
    (b"-ERR 'Stale Connection'\r\n", ("'stale connection'", b"", b"", b"", b"")),
    (b'INFO {"a":"MSG a.b 7 3"}\r\n', ("info", b"", b"", b"", b"")),
]


def test_each_message_goes_where_it_belongs_wherever_the_bytes_are_cut() -> None:
    whole = b"".join(bytes_ for bytes_, _ in STREAM)
    expected = [heard for _, heard in STREAM]
    assert parse([whole]) == expected
    assert parse([bytes([byte]) for byte in whole]) == expected
    for at in range(len(whole)):
        assert parse([whole[:at], whole[at:]]) == expected


@given(st.lists(st.sampled_from(STREAM), max_size=8), st.lists(st.integers(0, 200), max_size=4))
def test_any_messages_in_any_pieces(messages: list[tuple[bytes, Heard]], cuts: list[int]) -> None:
    whole = b"".join(bytes_ for bytes_, _ in messages)
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    pieces = [whole[begin:end] for begin, end in itertools.pairwise(places)]
    assert parse(pieces) == [heard for _, heard in messages]


@pytest.mark.parametrize(
    "line",
    [
        b"MSG\r\n",
        b"MSG a 7\r\n",
        b"MSG a 7 x\r\n",
        b"MSG a 7 r r 1\r\n",
        b"HMSG a 7 1\r\n",
        b"HMSG a 7 x 1\r\n",
        b"HMSG a 7 r r 1 1\r\n",
        b"\r\n",
        b"\xff\xfe\r\n",
        b"MSG a 7 -1\r\n",
    ],
)
def test_what_is_no_message_is_refused_as_the_library_does(line: bytes) -> None:
    with pytest.raises(nats.errors.ProtocolError):
        parse([line])


def test_a_new_connection_does_not_begin_with_the_rest_of_the_old_one() -> None:
    client = Client()
    parser = DirectParser(client)  # type: ignore[arg-type]  # it does what is used

    async def feed() -> None:
        await parser.parse(b"MSG a 8 3\r\nx")
        parser.reset()
        await parser.parse(b"PING\r\n")

    asyncio.run(feed())
    assert client.heard == [("ping", b"", b"", b"", b"")]
