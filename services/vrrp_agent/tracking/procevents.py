"""The kernel's own word about processes that begin, end, and become others (linux/cn_proc.h).

It takes CAP_NET_ADMIN, a kernel with CONFIG_PROC_EVENTS, and the first network and process namespaces: the
connector has no socket in any other (drivers/connector/connector.c).
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from typing import Literal

import msgspec

_NETLINK_CONNECTOR = 11
_CN_IDX_PROC = _CN_VAL_PROC = 1
_PROC_CN_MCAST_LISTEN, _PROC_CN_MCAST_IGNORE = 1, 2
_NLMSG_DONE = 3
_NONE, _FORK, _EXEC, _COMM, _EXIT = 0, 0x1, 0x2, 0x200, 0x80000000
_SO_RCVBUFFORCE = 33
_SO_ATTACH_FILTER = 26
_RECEIVE_BUFFER = 1 << 20
_WAITING = 1 << 14
"""More datagrams than the buffer can hold; the kernel counts some hundred bytes for each (skb_truesize)."""
_ANSWER = 0.5
"""Seconds that the kernel has to say that it will tell; it does so before the request returns."""

_NLMSGHDR = struct.Struct("=IHHII")
_CN_MSG = struct.Struct("=IIIIHH")
_EVENT = struct.Struct("=IIQ")
_PAYLOAD = _NLMSGHDR.size + _CN_MSG.size
_DATA = _PAYLOAD + _EVENT.size


class Process(msgspec.Struct, frozen=True):
    """Something happened to a process; of threads nothing is told."""

    what: Literal["fork", "exec", "comm", "exit"]
    pid: int
    parent: int = 0
    """Of a fork: whose copy it is."""


class UnavailableError(Exception):
    """The kernel tells nothing here, for this reason."""


def decode(data: bytes) -> Iterator[Process]:
    """Read what one datagram tells; what is not about whole processes is passed over."""
    event = _event(data)
    if event is None:
        return
    what, body = event
    if what == _FORK and len(body) >= 16:
        _, parent, thread, process = struct.unpack_from("=IIII", body)
        if thread == process:
            yield Process("fork", process, parent)
    elif what in (_EXEC, _COMM, _EXIT) and len(body) >= 8:
        thread, process = struct.unpack_from("=II", body)
        if what == _EXEC or thread == process:
            kind: Literal["exec", "comm", "exit"] = (
                "exec" if what == _EXEC else "comm" if what == _COMM else "exit"
            )
            yield Process(kind, process)


def _event(data: bytes) -> tuple[int, bytes] | None:
    if len(data) < _DATA:
        return None
    index, value, _, _, length, _ = _CN_MSG.unpack_from(data, _NLMSGHDR.size)
    if (index, value) != (_CN_IDX_PROC, _CN_VAL_PROC) or length < _EVENT.size:
        return None
    what, _, _ = _EVENT.unpack_from(data, _PAYLOAD)
    return what, data[_DATA : _PAYLOAD + length]


def _filter() -> bytes:
    """Make the socket filter (networking/filter.rst) that lets pass what `decode` gives.

    A machine that does nothing but make threads then wakes nobody.
    """
    load, jump, jump_if, jump_if_same, keep, give = 0x20, 0x05, 0x15, 0x1D, 0x07, 0x06

    def network(value: int) -> int:  # the filter reads words in the network's order
        return int(struct.unpack(">I", struct.pack("=I", value))[0])

    lines: tuple[tuple[int, int, int, int], ...] = (
        (load, 0, 0, _PAYLOAD),
        (jump_if, 13, 0, network(_NONE)),
        (jump_if, 12, 0, network(_EXEC)),
        (jump_if, 3, 0, network(_FORK)),
        (jump_if, 6, 0, network(_COMM)),
        (jump_if, 5, 0, network(_EXIT)),
        (give, 0, 0, 0),
        (load, 0, 0, _DATA + 8),  # a fork: the thread and the process that were made
        (keep, 0, 0, 0),
        (load, 0, 0, _DATA + 12),
        (jump, 0, 0, 3),
        (load, 0, 0, _DATA),  # comm and exit: the thread and the process
        (keep, 0, 0, 0),
        (load, 0, 0, _DATA + 4),
        (jump_if_same, 0, 1, 0),
        (give, 0, 0, 0xFFFFFFFF),
        (give, 0, 0, 0),
    )
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


class ProcessEvents:
    """A subscription to process events; its descriptor is readable when something happened.

    Raises:
        UnavailableError: the kernel tells nothing here.
    """

    def __init__(self) -> None:
        try:
            self._socket = socket.socket(
                socket.AF_NETLINK,
                socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK,
                _NETLINK_CONNECTOR,
            )
        except OSError as error:
            raise UnavailableError(f"no connector in this kernel ({error.strerror})") from None
        try:
            self._socket.bind((0, _CN_IDX_PROC))
            self._grow()
            self._ask(_PROC_CN_MCAST_LISTEN)
            self._answered()
        except OSError as error:
            self._socket.close()
            raise UnavailableError(_unavailable(error)) from None
        except UnavailableError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Give the descriptor, for epoll."""
        return self._socket.fileno()

    def read(self) -> list[Process]:
        """Take some of what happened; the descriptor stays readable while there is more.

        Raises:
            OSError: ENOBUFS: some of it was lost, so everything is to be looked at again.
        """
        found: list[Process] = []
        for _ in range(256):  # a storm of forks leaves time for others
            try:
                data, (sender, _) = self._socket.recvfrom(1 << 12)
            except BlockingIOError:
                break
            if sender == 0:  # anyone may send to a socket; the kernel's port is 0 (netlink(7))
                found += decode(data)
        return found

    def forget(self) -> None:
        """Throw away what waits; after a loss it is half a story, and a look at /proc is told the whole."""
        for _ in range(_WAITING):
            try:
                self._socket.recv(1)
            except BlockingIOError:
                return
            except OSError:
                continue  # lost once more meanwhile

    def close(self) -> None:
        """Hear no more; the kernel counts its listeners."""
        try:
            self._ask(_PROC_CN_MCAST_IGNORE)
        except OSError:
            pass
        finally:
            self._socket.close()

    def _grow(self) -> None:
        program = ctypes.create_string_buffer(_filter())
        count = (len(program) - 1) // 8
        self._socket.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", count, ctypes.addressof(program))
        )
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)

    def _ask(self, operation: int) -> None:
        body = _CN_MSG.pack(_CN_IDX_PROC, _CN_VAL_PROC, 0, 0, 4, 0) + struct.pack("=I", operation)
        header = _NLMSGHDR.pack(_NLMSGHDR.size + len(body), _NLMSG_DONE, 0, 0, 0)
        self._socket.sendto(header + body, (0, 0))

    def _answered(self) -> None:
        """Wait for the kernel's yes; one without process events says nothing."""
        end = time.monotonic() + _ANSWER
        readable = select.poll()  # unlike select(2) with any number of descriptors open
        readable.register(self._socket, select.POLLIN)
        while (left := end - time.monotonic()) > 0:
            if not readable.poll(left * 1000):
                break
            data, (sender, _) = self._socket.recvfrom(1 << 12)
            event = _event(data)
            if sender == 0 and event is not None and event[0] == _NONE:
                number = struct.unpack_from("=I", event[1])[0] if len(event[1]) >= 4 else 0
                if number:
                    raise OSError(number, os.strerror(number))
                return
        raise UnavailableError("the kernel has no process events, or this is a process namespace of its own")


def _unavailable(error: OSError) -> str:
    if error.errno == errno.ECONNREFUSED:
        return "the kernel tells of processes in its first network namespace alone"
    if error.errno == errno.EPERM:
        return "it takes CAP_NET_ADMIN"
    return error.strerror or str(error)
