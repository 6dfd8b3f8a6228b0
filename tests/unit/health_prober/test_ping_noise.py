"""Which ICMP messages count as the reply to an echo request: that one, and no noise."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from health_prober.kinds.ping import Echo, is_reply, is_request, request, without_header

FAMILIES = st.sampled_from([socket.AF_INET, socket.AF_INET6])
NUMBERS = st.integers(0, 0xFFFF)
ECHOES = st.builds(
    Echo,
    family=FAMILIES,
    sequence=NUMBERS,
    token=st.binary(min_size=16, max_size=16),
    identifier=st.none() | NUMBERS,
)


def replied(echo: Echo) -> bytes:
    return bytes([0 if echo.family == socket.AF_INET else 129]) + request(echo)[1:]


@given(ECHOES)
def test_the_reply_repeats_the_request(echo: Echo) -> None:
    assert is_reply(echo, replied(echo))
    assert is_request(echo, request(echo))
    assert is_request(echo, request(echo)[:8])
    assert not is_reply(echo, request(echo))


@given(ECHOES, st.integers(0, 23), st.integers(1, 255))
def test_a_reply_that_differs_anywhere_is_another(echo: Echo, at: int, bits: int) -> None:
    good = replied(echo)
    other = good[:at] + bytes([good[at] ^ bits]) + good[at + 1 :]
    ours = at in (2, 3) or (at in (4, 5) and echo.identifier is None)
    # the kernel looks at the checksum, and at a datagram socket's identifier
    assert is_reply(echo, other) == ours


@given(ECHOES, st.binary(max_size=100))
def test_noise_is_no_reply_and_no_error(echo: Echo, noise: bytes) -> None:
    assert not is_reply(echo, noise)
    assert not is_reply(echo, replied(echo) + b"\0")
    is_request(echo, noise)
    assert not is_reply(echo, without_header(noise))


@given(ECHOES.filter(lambda echo: echo.family == socket.AF_INET))
def test_the_sum_of_all_words_is_all_ones(echo: Echo) -> None:
    total = sum(word for (word,) in struct.iter_unpack("!H", request(echo)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert total == 0xFFFF


@pytest.mark.parametrize("options", range(11))
def test_the_header_goes_with_its_options(options: int) -> None:
    header = bytes([0x45 + options]) + bytes(19 + 4 * options)
    assert without_header(header + b"message") == b"message"
    assert without_header(header[:-1]) == b""
    assert without_header(b"") == b""
