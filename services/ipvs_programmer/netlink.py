"""Netlink on a raw socket: many requests in one send, answers matched by sequence, dumps read whole.

The kernel handles a netlink request inside the sender's system call, so when a send returns every answer
already waits in the receive buffer: nothing here waits for anything. What can go wrong is that this buffer is
too small for the answers; then they are lost and nobody knows what was done (`LostRepliesError`).
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from ipvs_programmer import constants as c
from ipvs_programmer.octets import HEADER, MalformedError, Message, NetlinkError, attributes, messages

_INT: Final = struct.Struct("=i")
_BUFFER: Final = 4 * 1024 * 1024
"""Bytes asked for each direction; the kernel doubles it for its own bookkeeping."""
_SEND_AT_MOST: Final = 128 * 1024
_RECEIVE: Final = 64 * 1024
"""The kernel fills up to 32 KiB of a dump into one datagram for a reader with room for it."""
_ANSWER_TIMEOUT: Final = struct.pack("@ll", 2, 0)
_DUMP_TRIES: Final = 10

ACK_COST: Final = 1024
"""Receive buffer that one refusal takes (768 measured on 6.1)."""
ANSWER_COST: Final = 8192
"""Receive buffer that one answer of a page takes."""


class LostRepliesError(NetlinkError):
    """Answers were lost: what was asked may or may not have been done. Close the socket and read again."""


class RefusedError(NetlinkError):
    """The kernel refused a request."""

    def __init__(self, number: int, text: str = "") -> None:
        super().__init__(text or os.strerror(number))
        self.number = number
        self.text = text


class Refusal(NamedTuple):
    """Why a request of a batch was refused: an errno and the kernel's own words, if it has any."""

    number: int
    text: str


class Answers(NamedTuple):
    """What came back from a batch, by the request's place in it; a request in neither was done."""

    data: dict[int, bytes]
    refused: dict[int, Refusal]


class NetlinkSocket:
    """A netlink socket of one protocol, in the network namespace of the thread that makes it.

    After any error but `RefusedError` it may still hold half an answer: close it and make another.
    """

    def __init__(self, protocol: int, make: Callable[[int, int, int], socket.socket] = socket.socket) -> None:
        self._socket = make(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.bind((0, 0))
        for option, forced in (
            (socket.SO_SNDBUF, c.SO_SNDBUFFORCE),
            (socket.SO_RCVBUF, c.SO_RCVBUFFORCE),
        ):
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, forced, _BUFFER)
            except PermissionError:
                # in a user namespace only the system's own maximum is to be had
                self._socket.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _ANSWER_TIMEOUT)
        for option in (c.NETLINK_CAP_ACK, c.NETLINK_EXT_ACK):
            self._socket.setsockopt(c.SOL_NETLINK, option, 1)
        self._send_room = min(
            _SEND_AT_MOST, self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) // 2
        )
        self._receive_room = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
        self._buffer = bytearray(_RECEIVE)
        self._view = memoryview(self._buffer)
        self._sequence = int.from_bytes(os.urandom(3), "big")

    def close(self) -> None:
        """Close."""
        self._socket.close()

    def ask(self, kind: int, payloads: Sequence[bytes], cost: int = ACK_COST) -> Answers:
        """Send requests in as few sends as fit, with an acknowledgement asked only of each send's last.

        ``cost`` is the receive buffer that one answer takes: `ACK_COST` for writes, where only a refusal is
        answered, `ANSWER_COST` for reads.

        Raises:
            LostRepliesError: what became of the requests is unknown.
            MalformedError: the answer is not readable; likewise.
        """
        answers = Answers({}, {})
        most = max(1, self._receive_room // cost)
        start = 0
        while start < len(payloads):
            stop, size = start, 0
            while stop < len(payloads) and stop - start < most:
                size += HEADER.size + len(payloads[stop])
                if size > self._send_room and stop > start:
                    break
                stop += 1
            self._round(kind, payloads, start, stop, answers)
            start = stop
        return answers

    def _round(self, kind: int, payloads: Sequence[bytes], start: int, stop: int, answers: Answers) -> None:
        first = self._reserve(stop - start)
        last = first + stop - start - 1
        parts: list[bytes] = []
        pack = HEADER.pack
        for number, payload in enumerate(payloads[start:stop], first):
            flags = c.NLM_F_REQUEST | c.NLM_F_ACK if number == last else c.NLM_F_REQUEST
            parts.append(pack(HEADER.size + len(payload), kind, flags, number, 0))
            parts.append(payload)
        self._send(b"".join(parts))
        while True:
            for message in messages(self._receive()):
                if not first <= message.sequence <= last:
                    continue  # of a request that was given up
                place = start + message.sequence - first
                if message.type == c.NLMSG_ERROR:
                    refusal = _refusal(message)
                    if refusal is not None:
                        answers.refused[place] = refusal
                    if message.sequence == last:
                        return
                elif message.type == c.NLMSG_OVERRUN:
                    raise LostRepliesError("the kernel says that it dropped answers (NLMSG_OVERRUN)")
                elif message.type >= c.NLMSG_MIN_TYPE:
                    answers.data[place] = bytes(message.payload)

    def dump(self, kind: int, payload: bytes) -> list[bytes]:
        """Read a dump whole; one that was interrupted by a change is read again.

        Raises:
            RefusedError: the kernel refused it.
            LostRepliesError: it could not be read whole.
            MalformedError: the answer is not readable.
        """
        for _ in range(_DUMP_TRIES):
            found = self._dump_once(kind, payload)
            if found is not None:
                return found
        raise LostRepliesError(f"the dump was interrupted {_DUMP_TRIES} times by changes")

    def _dump_once(self, kind: int, payload: bytes) -> list[bytes] | None:
        sequence = self._reserve(1)
        flags = c.NLM_F_REQUEST | c.NLM_F_DUMP
        self._send(HEADER.pack(HEADER.size + len(payload), kind, flags, sequence, 0) + payload)
        found: list[bytes] = []
        interrupted = False
        while True:
            for message in messages(self._receive()):
                if message.sequence != sequence:
                    continue
                interrupted |= bool(message.flags & c.NLM_F_DUMP_INTR)
                if message.type in (c.NLMSG_ERROR, c.NLMSG_DONE):
                    # the end of a dump may carry the error that ended it
                    refusal = _refusal(message) if message.type == c.NLMSG_ERROR else _done(message)
                    if refusal is not None:
                        raise RefusedError(*refusal)
                    return None if interrupted else found
                if message.type == c.NLMSG_OVERRUN:
                    raise LostRepliesError("the kernel says that it dropped a part of a dump (NLMSG_OVERRUN)")
                if message.type >= c.NLMSG_MIN_TYPE:
                    found.append(bytes(message.payload))

    def _reserve(self, count: int) -> int:
        if self._sequence + count >= 2**32:
            self._sequence = 0
        first = self._sequence + 1
        self._sequence += count
        return first

    def _send(self, datagram: bytes) -> None:
        try:
            sent = self._socket.send(datagram)
        except OSError as error:
            raise LostRepliesError(f"send of {len(datagram)} bytes: {error.strerror}") from error
        if sent != len(datagram):
            raise LostRepliesError(f"the kernel took {sent} of {len(datagram)} bytes")

    def _receive(self) -> memoryview:
        while True:
            try:
                size, _ancillary, flags, address = self._socket.recvmsg_into([self._buffer])
            except BlockingIOError:
                raise LostRepliesError("the kernel did not answer") from None
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    raise LostRepliesError(
                        "the receive buffer was too small for the answers (ENOBUFS)"
                    ) from error
                raise LostRepliesError(f"receive: {error.strerror}") from error
            if flags & socket.MSG_TRUNC:
                raise LostRepliesError(f"an answer did not fit into {len(self._buffer)} bytes")
            if address[0] == 0:
                return self._view[:size]
            # whoever is not the kernel has nothing to say here


def _refusal(message: Message) -> Refusal | None:
    """Read struct nlmsgerr; None when it says that all went well."""
    number = _errno(message)
    if number == 0:
        return None
    text = ""
    if message.flags & c.NLM_F_ACK_TLVS and message.flags & c.NLM_F_CAPPED:
        # capped: the request's header alone stands between the number and the extended acknowledgement
        found = attributes(message.payload[_INT.size + HEADER.size :])
        if (words := found.get(c.NLMSGERR_ATTR_MSG)) is not None:
            text = bytes(words).split(b"\0")[0].decode("utf-8", "replace")
    return Refusal(number, text)


def _done(message: Message) -> Refusal | None:
    if len(message.payload) < _INT.size:
        return None  # before Linux 4.16 the end of a dump carried nothing
    number = _errno(message)
    return Refusal(number, "") if number else None


def _errno(message: Message) -> int:
    if len(message.payload) < _INT.size:
        raise MalformedError("an acknowledgement without a result")
    number: int = -_INT.unpack_from(message.payload)[0]
    if number < 0:
        raise MalformedError(f"an acknowledgement with the result {-number}")
    return number
