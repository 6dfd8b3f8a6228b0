"""The transport against a socket that answers what a kernel would, might and should never."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvs_programmer import constants as c
from ipvs_programmer import genetlink
from ipvs_programmer.netlink import LostRepliesError, NetlinkSocket, Refusal, RefusedError
from ipvs_programmer.octets import HEADER, MalformedError, Message, attribute, attributes, messages

FAMILY = 0x1D


def message(kind: int, sequence: int, payload: bytes = b"", flags: int = 0) -> bytes:
    return (
        HEADER.pack(HEADER.size + len(payload), kind, flags, sequence, 0) + payload + bytes(-len(payload) % 4)
    )


def acknowledgement(sequence: int, number: int = 0, words: str = "") -> bytes:
    payload = struct.pack("=i", -number) + HEADER.pack(HEADER.size, FAMILY, 0, sequence, 0)
    flags = c.NLM_F_CAPPED
    if words:
        payload += attribute(c.NLMSGERR_ATTR_MSG, words.encode() + b"\0")
        flags |= c.NLM_F_ACK_TLVS
    return message(c.NLMSG_ERROR, sequence, payload, flags)


Answer = Callable[[list[Message]], list[bytes | OSError]]


class ScriptedSocket:
    """A socket whose kernel is a function: what was sent -> datagrams to receive, or errors to meet."""

    def __init__(self, answer: Answer, room: int = 212_992) -> None:
        self.answer = answer
        self.room = room
        self.sent: list[list[Message]] = []
        self.waiting: list[bytes | OSError] = []
        self.sender = 0
        self.accept: int | None = None
        self.flags = 0

    def __call__(self, *_arguments: int) -> ScriptedSocket:
        return self

    def bind(self, _address: tuple[int, int]) -> None: ...

    def close(self) -> None: ...

    def setsockopt(self, _level: int, option: int, _value: Any) -> None:
        if option in (c.SO_RCVBUFFORCE, c.SO_SNDBUFFORCE):
            raise PermissionError(errno.EPERM, "not in this namespace")

    def getsockopt(self, _level: int, _option: int) -> int:
        return self.room

    def send(self, datagram: bytes) -> int:
        if self.accept is not None:
            return self.accept
        requests = list(messages(memoryview(datagram)))
        self.sent.append(requests)
        self.waiting += self.answer(requests)
        return len(datagram)

    def recvmsg_into(self, buffers: list[bytearray]) -> tuple[int, list[Any], int, tuple[int, int]]:
        if not self.waiting:
            raise BlockingIOError(errno.EAGAIN, "nothing")
        datagram = self.waiting.pop(0)
        if isinstance(datagram, OSError):
            raise datagram
        buffers[0][: len(datagram)] = datagram
        return len(datagram), [], self.flags, (self.sender, 0)


def scripted(answer: Answer, room: int = 212_992) -> tuple[NetlinkSocket, ScriptedSocket]:
    script = ScriptedSocket(answer, room)
    return NetlinkSocket(c.NETLINK_GENERIC, script), script  # type: ignore[arg-type]  # it does what is used


def acknowledge(requests: list[Message]) -> list[bytes | OSError]:
    return [acknowledgement(each.sequence) for each in requests if each.flags & c.NLM_F_ACK]


def test_many_requests_go_in_one_send_and_only_the_last_asks_for_an_answer() -> None:
    netlink, script = scripted(acknowledge)
    answers = netlink.ask(FAMILY, [b"abcd"] * 100)
    assert answers == ({}, {})
    assert len(script.sent) == 1
    flags = [each.flags for each in script.sent[0]]
    assert flags == [c.NLM_F_REQUEST] * 99 + [c.NLM_F_REQUEST | c.NLM_F_ACK]


def test_a_large_batch_is_split_by_what_the_buffers_hold() -> None:
    netlink, script = scripted(acknowledge, room=20_000)
    netlink.ask(FAMILY, [bytes(100)] * 500)
    assert all(sum(HEADER.size + 100 for _ in sent) <= 10_000 for sent in script.sent)
    assert max(len(sent) for sent in script.sent) <= 20_000 // 2 // 1024  # a refusal each must fit
    assert sum(len(sent) for sent in script.sent) == 500
    assert all(sent[-1].flags & c.NLM_F_ACK for sent in script.sent)


def test_refusals_are_matched_by_sequence_over_several_sends() -> None:
    refused = {3, 57, 99}
    seen = 0

    def answer(requests: list[Message]) -> list[bytes | OSError]:
        nonlocal seen
        replies: list[bytes | OSError] = []
        for each in requests:
            if seen in refused:
                replies.append(acknowledgement(each.sequence, errno.ENOENT, "no such thing"))
            elif each.flags & c.NLM_F_ACK:
                replies.append(acknowledgement(each.sequence))
            seen += 1
        return replies

    netlink, _ = scripted(answer, room=20_000)
    answers = netlink.ask(FAMILY, [b"abcd"] * 100)
    assert answers.refused == dict.fromkeys(refused, Refusal(errno.ENOENT, "no such thing"))


def test_answers_come_many_in_a_datagram_and_data_before_its_acknowledgement() -> None:
    def answer(requests: list[Message]) -> list[bytes | OSError]:
        data = b"".join(
            message(FAMILY, each.sequence, b"data%d" % place) for place, each in enumerate(requests)
        )
        return [data + acknowledgement(requests[-1].sequence)]

    netlink, _ = scripted(answer)
    assert netlink.ask(FAMILY, [b"", b""]).data == {0: b"data0", 1: b"data1"}


def test_an_answer_to_an_older_request_is_passed_over() -> None:
    def answer(requests: list[Message]) -> list[bytes | OSError]:
        sequence = requests[0].sequence
        return [
            acknowledgement(sequence - 1, errno.EPERM),
            message(c.NLMSG_NOOP, sequence),
            acknowledgement(sequence),
        ]

    netlink, _ = scripted(answer)
    assert netlink.ask(FAMILY, [b""]) == ({}, {})


def end(sequence: int, number: int | None = 0, flags: int = 0) -> bytes:
    return message(c.NLMSG_DONE, sequence, b"" if number is None else struct.pack("=i", -number), flags)


@pytest.mark.parametrize("number", [0, None])
def test_a_dump_is_read_to_its_end(number: int | None) -> None:
    def answer(requests: list[Message]) -> list[bytes | OSError]:
        sequence = requests[0].sequence
        return [
            message(FAMILY, sequence, b"one") + message(FAMILY, sequence, b"two"),
            message(FAMILY, sequence, b"three"),
            end(sequence, number),
        ]

    netlink, script = scripted(answer)
    assert netlink.dump(FAMILY, b"") == [b"one", b"two", b"three"]
    assert script.sent[0][0].flags == c.NLM_F_REQUEST | c.NLM_F_DUMP


def test_an_interrupted_dump_is_read_again_whole() -> None:
    tries = 0

    def answer(requests: list[Message]) -> list[bytes | OSError]:
        nonlocal tries
        tries += 1
        sequence = requests[0].sequence
        flags = c.NLM_F_DUMP_INTR if tries < 3 else 0
        return [message(FAMILY, sequence, b"try%d" % tries, flags), end(sequence)]

    netlink, _ = scripted(answer)
    assert netlink.dump(FAMILY, b"") == [b"try3"]


def test_a_dump_that_is_always_interrupted_is_no_dump() -> None:
    netlink, _ = scripted(lambda requests: [end(requests[0].sequence, flags=c.NLM_F_DUMP_INTR)])
    with pytest.raises(LostRepliesError, match="interrupted"):
        netlink.dump(FAMILY, b"")


@pytest.mark.parametrize(
    "reply",
    [lambda sequence: acknowledgement(sequence, errno.EPERM), lambda sequence: end(sequence, errno.EPERM)],
)
def test_a_refused_dump(reply: Callable[[int], bytes]) -> None:
    netlink, _ = scripted(lambda requests: [reply(requests[0].sequence)])
    with pytest.raises(RefusedError) as refused:
        netlink.dump(FAMILY, b"")
    assert refused.value.number == errno.EPERM


@pytest.mark.parametrize(
    "trouble",
    [
        lambda _: [OSError(errno.ENOBUFS, "no buffer space")],
        lambda _: [OSError(errno.EIO, "broken")],
        lambda _: [],
        lambda requests: [message(c.NLMSG_OVERRUN, requests[0].sequence)],
    ],
    ids=["ENOBUFS", "EIO", "silence", "overrun"],
)
def test_lost_answers_are_never_taken_for_done(trouble: Answer) -> None:
    netlink, _ = scripted(trouble)
    with pytest.raises(LostRepliesError):
        netlink.ask(FAMILY, [b"abcd"])
    netlink, _ = scripted(trouble)
    with pytest.raises(LostRepliesError):
        netlink.dump(FAMILY, b"abcd")


def test_a_send_that_was_taken_in_part_is_not_done() -> None:
    netlink, script = scripted(acknowledge)
    script.accept = 7
    with pytest.raises(LostRepliesError, match="took 7 of"):
        netlink.ask(FAMILY, [b"abcd"])


def test_an_answer_that_was_cut_is_not_read() -> None:
    netlink, script = scripted(acknowledge)
    script.flags = socket.MSG_TRUNC
    with pytest.raises(LostRepliesError, match="did not fit"):
        netlink.ask(FAMILY, [b"abcd"])


def test_only_the_kernel_is_listened_to() -> None:
    netlink, script = scripted(acknowledge)
    script.sender = 4711
    with pytest.raises(LostRepliesError, match="did not answer"):
        netlink.ask(FAMILY, [b"abcd"])


CALLS: list[Callable[[NetlinkSocket], object]] = [
    lambda netlink: netlink.ask(FAMILY, [b""]),
    lambda netlink: netlink.dump(FAMILY, b""),
]


@pytest.mark.parametrize(
    "bad",
    [
        b"\1",
        HEADER.pack(4, FAMILY, 0, 0, 0),
        HEADER.pack(4096, FAMILY, 0, 0, 0),
        message(c.NLMSG_ERROR, 0),
    ],
    ids=["short", "too small", "too large", "no result"],
)
def test_a_malformed_answer_is_one_named_error(bad: bytes) -> None:
    def answer(requests: list[Message]) -> list[bytes | OSError]:
        sequence = struct.pack("=I", requests[0].sequence)
        return [bad[:8] + sequence + bad[12:] if len(bad) >= 16 else bad]

    for call in CALLS:
        netlink, _ = scripted(answer)
        with pytest.raises(MalformedError):
            call(netlink)


@given(st.lists(st.binary(max_size=300), max_size=4))
def test_noise_ends_in_a_named_error(noise: list[bytes]) -> None:
    for call in CALLS:
        netlink, _ = scripted(lambda _: list(noise))
        with pytest.raises((MalformedError, LostRepliesError)):
            call(netlink)


@given(st.dictionaries(st.integers(1, 0x3FFF), st.binary(max_size=40)))
def test_attributes_survive_the_round_trip(given_attributes: dict[int, bytes]) -> None:
    packed = b"".join(attribute(kind, payload) for kind, payload in given_attributes.items())
    found = attributes(memoryview(packed))
    assert {kind: bytes(payload) for kind, payload in found.items()} == given_attributes


def test_the_flags_of_an_attribute_are_no_part_of_its_type() -> None:
    assert set(attributes(memoryview(attribute(0x8000 | 5, b"abcd")))) == {5}


def test_a_family_is_found_or_not_there() -> None:
    def found(requests: list[Message]) -> list[bytes | OSError]:
        data = genetlink.command(1, 1, attribute(c.CTRL_ATTR_FAMILY_ID, struct.pack("=H", 31)))
        return [message(c.GENL_ID_CTRL, requests[0].sequence, data), acknowledgement(requests[0].sequence)]

    netlink, script = scripted(found)
    assert genetlink.family(netlink, "IPVS") == 31
    assert b"IPVS\0" in bytes(script.sent[0][0].payload)
    netlink, _ = scripted(lambda requests: [acknowledgement(requests[0].sequence, errno.ENOENT)])
    assert genetlink.family(netlink, "IPVS") is None
    netlink, _ = scripted(lambda requests: [acknowledgement(requests[0].sequence, errno.EPERM)])
    with pytest.raises(RefusedError):
        genetlink.family(netlink, "IPVS")
    netlink, _ = scripted(acknowledge)
    with pytest.raises(MalformedError):
        genetlink.family(netlink, "IPVS")
