"""A value in a file of the state directory, which a restart goes on with."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from vipbus.runtime.files import write_atomically

log = logging.getLogger(__name__)

T = TypeVar("T")


class Saved(Generic[T]):
    """Reads the file once, and writes it when the value is another one; without a path it does neither."""

    def __init__(self, path: Path | None, kind: type[T], empty: T, what: str) -> None:
        self._path = path
        self._what = what
        self.value = empty
        if path is None:
            return
        try:
            self.value = msgspec.json.decode(path.read_bytes(), type=kind)
        except FileNotFoundError:
            pass
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
            log.warning("%s is not usable and is ignored: %s", path, error)

    def save(self, value: T) -> None:
        """Keep a value; a directory that takes none is said, and no end."""
        if value == self.value:
            return
        self.value = value
        if self._path is None:
            return
        try:
            write_atomically(self._path, msgspec.json.encode(value))
        except OSError as error:
            log.warning("%s could not be saved in %s: %s", self._what, self._path, error)
