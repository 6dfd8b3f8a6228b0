"""A picture in a file, for a start without a bus: whole in its first line, what changed since in those after.

A verdict among forty thousand is a line, and not all of them written anew while the next one waits. Half a
line at the end is what a crash left: what came before it holds.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

import msgspec

from vipbus.contracts.limits import UNREADABLE
from vipbus.runtime import memory
from vipbus.runtime.files import write_atomically

log = logging.getLogger(__name__)

_ROOM: Final = 1 << 16
"""Octets of changes that are kept in any case; with more of them than of the whole it is written anew."""


class Kept(Protocol):
    """What is kept of a key."""

    @property
    def revision(self) -> int:
        """Of the bucket."""

    @property
    def body(self) -> bytes:
        """As it came."""


class SavedEntry(msgspec.Struct, frozen=True, gc=False):
    """A key's revision and body; in the file it is base64."""

    revision: int
    body: bytes


class _Whole(msgspec.Struct, frozen=True):
    bucket: str
    entries: dict[str, SavedEntry]


class _Change(msgspec.Struct, frozen=True):
    key: str
    entry: SavedEntry | None
    """None: the key is gone."""


class SavedPicture:
    """One file; it is read once and then only written."""

    def __init__(self, path: Path, bucket: str) -> None:
        self.path = path
        self._bucket = bucket
        self._all = True
        """Whether the whole is to be written, and not only what changed."""
        self._changed: dict[str, None] = {}
        self._size = self._room = 0

    def read(self) -> dict[str, SavedEntry]:
        """Read what was kept.

        Raises:
            OSError: there is no file, or it is not readable.
            ValueError: it is not this picture's.
        """
        first, *lines = self.path.read_bytes().split(b"\n")
        whole = msgspec.json.decode(first, type=_Whole)
        if whole.bucket != self._bucket:
            raise ValueError(f"it holds {whole.bucket}")
        decoder = msgspec.json.Decoder(_Change)
        for line in lines:
            try:
                change = decoder.decode(line)
            except UNREADABLE:
                break  # behind the last line is nothing
            if change.entry is None:
                whole.entries.pop(change.key, None)
            else:
                whole.entries[change.key] = change.entry
        return whole.entries

    def note(self, key: str | None) -> None:
        """Note that a key has changed; None: the picture is another one."""
        if key is None:
            self._all = True
        else:
            self._changed[key] = None

    def write(self, entries: Mapping[str, Kept]) -> None:
        """Keep what has been noted; a directory that takes none is said, and no end."""
        changed, self._changed = self._changed, {}
        try:
            if self._all or not self._append(entries, changed):
                self._write(entries)
        except OSError as error:
            self._all = True
            log.warning("state could not be saved in %s: %s", self.path, error)

    def _write(self, entries: Mapping[str, Kept]) -> None:
        whole = _Whole(self._bucket, {key: _kept(entry) for key, entry in entries.items()})
        octets = msgspec.json.encode(whole) + b"\n"
        del whole
        write_atomically(self.path, octets)
        self._all = False
        size = len(octets)
        self._size, self._room = 0, max(size, _ROOM)
        del octets
        if size > memory.LARGE:
            memory.give_back()

    def _append(self, entries: Mapping[str, Kept], changed: Mapping[str, None]) -> bool:
        """Write lines behind the others; False: the whole is to be written."""
        octets = b"".join(
            msgspec.json.encode(_Change(key, _kept(entry) if (entry := entries.get(key)) else None)) + b"\n"
            for key in changed
        )
        self._size += len(octets)
        if self._size > self._room:
            return False
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return os.write(descriptor, octets) == len(octets)
        finally:
            os.close(descriptor)


def _kept(entry: Kept) -> SavedEntry:
    return SavedEntry(entry.revision, entry.body)
