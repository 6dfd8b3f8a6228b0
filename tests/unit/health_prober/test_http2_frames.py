"""Frames of HTTP/2 come out whole, wherever the octets were split, and only so many of them."""

from __future__ import annotations

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from health_prober.attempt import CheckFailedError
from health_prober.http2 import Frames

MUCH = 1 << 30
SENT = [
    SettingsFrame(0, {SettingsFrame.MAX_CONCURRENT_STREAMS: 100}),
    SettingsFrame(0, flags=("ACK",)),
    WindowUpdateFrame(0, 1000),
    HeadersFrame(1, b"abc", flags=("END_HEADERS",)),
    DataFrame(1, b"content"),
    DataFrame(1, b"padded", flags=("PADDED",), pad_length=9),
    PingFrame(0, b"12345678"),
    GoAwayFrame(0, 1, 2),
]
GRACEFUL = GoAwayFrame(0, 1, 0, b"bye")


def octets(frames: list[Frame]) -> list[bytes]:
    return [frame.serialize() for frame in frames]


def test_frames_are_whole_wherever_they_are_split() -> None:
    expected = octets(SENT)
    stream = b"".join([*expected[:3], GRACEFUL.serialize(), *expected[3:]])
    for at in range(len(stream)):
        frames = Frames(MUCH, MUCH)
        assert [*frames.cut(stream[:at]), *frames.cut(stream[at:])] == expected
    frames = Frames(MUCH, MUCH)
    assert [frame for each in stream for frame in frames.cut(bytes([each]))] == expected


@pytest.mark.parametrize(
    ("sent", "cause"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nA: b\r\n", "no HTTP/2: 'HTTP/1.1 400 Bad Request'"),
        (b"\r\n" * 9, "no HTTP/2: ''"),
        (PingFrame(0, b"12345678").serialize(), "no HTTP/2: "),
        (SettingsFrame(0).serialize()[:5] + b"\0\0\0\x01", "no HTTP/2: "),
        (
            SettingsFrame(0).serialize() + b"\x00\x40\x01" + bytes(6),
            "broken HTTP/2 (a frame of 16385 octets)",
        ),
        (b"\xff\xff\xff\x04\0\0\0\0\0", "broken HTTP/2 (a frame of 16777215 octets)"),
    ],
)
def test_what_is_none(sent: bytes, cause: str) -> None:
    with pytest.raises(CheckFailedError) as error:
        list(Frames(MUCH, MUCH).cut(sent))
    assert str(error.value).startswith(cause)
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("frame", "number"),
    [
        # 128 for each, and all that is no content; a thousand leaves room for seven at first
        (PingFrame(0, b"12345678"), 6),
        (WindowUpdateFrame(0, 1), 6),
        (HeadersFrame(1, b"x" * 100), 3),
        (ContinuationFrame(1, b""), 6),
        (DataFrame(1, b""), 6),
        (DataFrame(1, b"x"), 6),
        (DataFrame(1, b"", flags=("PADDED",), pad_length=200), 2),
        (DataFrame(1, b"x" * 64), 13),
        (DataFrame(1, b"x" * 127), 872),
    ],
)
def test_talk_ends(frame: Frame, number: int) -> None:
    frames = Frames(MUCH, 1000)
    assert list(frames.cut(SettingsFrame(0).serialize())) != []
    sent = frame.serialize()
    for _ in range(number):
        assert list(frames.cut(sent)) == [sent]
    with pytest.raises(CheckFailedError, match=r"^endless HTTP/2 frames without content$"):
        list(frames.cut(sent))


def test_content_costs_nothing_but_has_an_end() -> None:
    frames = Frames(1_000_000, 1000)
    sent = DataFrame(1, b"x" * 991).serialize()
    list(frames.cut(SettingsFrame(0).serialize()))
    for _ in range(999):
        assert list(frames.cut(sent)) == [sent]
    with pytest.raises(CheckFailedError, match=r"^endless HTTP/2 frames$"):
        list(frames.cut(sent))


@pytest.mark.parametrize(
    ("sent", "cause"),
    [
        (b"", "closed without an answer"),
        (b"nope", "no HTTP/2: 'nope'"),
        (SettingsFrame(0).serialize(), "closed before the response was complete"),
    ],
)
def test_what_the_end_means(sent: bytes, cause: str) -> None:
    frames = Frames(MUCH, MUCH)
    list(frames.cut(sent))
    assert frames.ended() == cause
