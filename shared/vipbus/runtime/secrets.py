"""Passwords and keys: they stand in one file of the state directory, and documents hold references to them.

A reference is a digest keyed with a random key of that file: equal values have equal references as long as
the file lives, a changed value has another one and so changes the entity that names it, and nobody who sees
the bus can try passwords against it.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

from vipbus.contracts.limits import UNREADABLE
from vipbus.runtime.files import write_atomically

log = logging.getLogger(__name__)

FILE_NAME: Final = "secrets.json"
_KEY_BYTES: Final = 32
_LARGEST: Final = 16 * 1024 * 1024
"""Bytes; a thousand instances have less than 0.1 MB, and a thousand revisions may each have others."""


class _Stored(msgspec.Struct, frozen=True):
    """The file."""

    key: str
    """Hexadecimal digits, of the references."""
    values: dict[str, str]
    """By reference."""


class Secrets:
    """What a writer of configurations knows: values go in, references come out."""

    def __init__(self, path: Path | None, key: bytes, stored: Mapping[str, str]) -> None:
        self._path = path
        self._key = key
        self._stored = dict(stored)
        self._values = dict(stored)
        self._before = frozenset(stored)

    @staticmethod
    def in_memory() -> Secrets:
        """Make references that nobody can resolve: to check a file without a state directory."""
        return Secrets(None, os.urandom(_KEY_BYTES), {})

    @staticmethod
    def open(directory: Path) -> Secrets:
        """Read a state directory's file; where there is none, or none that can be read, begin anew.

        Then every value gets another reference: the entities that name them change once, no more.
        """
        path = directory / FILE_NAME
        stored = _read(path)
        if stored is None:
            return Secrets(path, os.urandom(_KEY_BYTES), {})
        return Secrets(path, bytes.fromhex(stored.key), stored.values)

    def reference(self, value: str) -> str:
        """Give the reference of a value, and remember the value until `save`."""
        body = value.encode("utf-8", "surrogateescape")
        digest = hashlib.blake2b(body, digest_size=16, key=self._key).hexdigest()
        self._values[digest] = value
        return digest

    def value(self, reference: str) -> str:
        """Give the value of a reference that this writer made or its file had.

        Raises:
            KeyError: there is none.
        """
        return self._values[reference]

    @property
    def references(self) -> frozenset[str]:
        """All that the file has a value for."""
        return frozenset(self._stored)

    def save(self, used: Collection[str]) -> None:
        """Write the values of these references; nothing is written without a change.

        Those of the save before are kept too: whoever still runs the revision before may start again before
        it has the next one. Older ones are forgotten.

        Raises:
            OSError: the directory is not writable.
        """
        wanted = frozenset(used)
        # a reference from elsewhere may be of a file that was lost
        kept = {each: self._values[each] for each in sorted(wanted | self._before) if each in self._values}
        if self._path is not None and kept != self._stored:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._path, msgspec.json.encode(_Stored(self._key.hex(), kept)))
        self._before, self._stored = wanted, kept


def load(directory: Path) -> Mapping[str, str]:
    """Read the values by reference; without a file that can be read they are none, and the log says why."""
    path = directory / FILE_NAME
    stored = _read(path)
    return MappingProxyType({} if stored is None else stored.values)


def _read(path: Path) -> _Stored | None:
    """Read the file; None when it is not there or is none."""
    try:
        with path.open("rb") as file:
            body = file.read(_LARGEST + 1)
        stored = msgspec.json.decode(body, type=_Stored)
        if len(bytes.fromhex(stored.key)) != _KEY_BYTES:
            raise ValueError("its key is none")  # of the wrong length, not of the wrong type
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("%s cannot be read (%s); correct its owner and mode", path, error.strerror)
    except (*UNREADABLE, ValueError):
        # what is wrong is not repeated: it may be half a password
        log.warning("%s is damaged and counts as empty; config-service writes it anew", path)
    else:
        return stored
    return None
