"""What happens in directories, as the kernel tells it (inotify(7))."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator

import msgspec

IN_CREATE, IN_DELETE, IN_CLOSE_WRITE = 0x100, 0x200, 0x8
IN_MOVED_FROM, IN_MOVED_TO = 0x40, 0x80
IN_DELETE_SELF, IN_MOVE_SELF = 0x400, 0x800
IN_Q_OVERFLOW, IN_IGNORED = 0x4000, 0x8000
_IN_ONLYDIR = 0x01000000
_IN_NONBLOCK, _IN_CLOEXEC = 0o4000, 0o2000000
_EVENT = struct.Struct("=iIII")
_WATCHED = (
    IN_CREATE | IN_DELETE | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF
)


class Happened(msgspec.Struct, frozen=True):
    """Something happened in a watched directory, or to it."""

    watch: int
    mask: int
    name: str
    """Of the file; empty: the directory itself."""


def decode(data: bytes) -> Iterator[Happened]:
    """Read the events in what one read gave."""
    at = 0
    while at + _EVENT.size <= len(data):
        watch, mask, _, length = _EVENT.unpack_from(data, at)
        at += _EVENT.size
        yield Happened(watch, mask, os.fsdecode(data[at : at + length].split(b"\0", 1)[0]))
        at += length


class Inotify:
    """An inotify instance; its descriptor is readable when something happened."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor: int = self._libc.inotify_init1(_IN_NONBLOCK | _IN_CLOEXEC)
        if self._descriptor < 0:
            raise _error("inotify")

    def fileno(self) -> int:
        """Give the descriptor, for epoll."""
        return self._descriptor

    def add(self, directory: str) -> int:
        """Watch a directory; give the watch's number.

        Raises:
            OSError: it is not there, is no directory, or there are too many watches.
        """
        watch: int = self._libc.inotify_add_watch(
            self._descriptor, os.fsencode(directory), _WATCHED | _IN_ONLYDIR
        )
        if watch < 0:
            raise _error(directory)
        return watch

    def remove(self, watch: int) -> None:
        """Watch a directory no more."""
        self._libc.inotify_rm_watch(self._descriptor, watch)

    def read(self) -> Iterator[Happened]:
        """Take everything that happened so far."""
        while True:
            try:
                data = os.read(self._descriptor, 1 << 16)
            except BlockingIOError:
                return
            yield from decode(data)

    def close(self) -> None:
        """Watch nothing any more."""
        os.close(self._descriptor)


def _error(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), what)
