"""Passwords and keys: as they are, or in a file of their own. No message repeats one."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from config_service.native.misplaced import Misplaced
from config_service.native.network_forms import unknown_key
from config_service.problems import RefusedError, quoted

Reference = Callable[[str], str]
"""Puts a secret aside and gives what stands for it on the bus."""
Judge = Callable[[str], str]
"""Gives a secret as it is kept; raises RefusedError for what can be none."""
Warn = Callable[[str, str], None]
"""Tells of something at a path that will do, but perhaps not as it is meant."""

_LARGEST: Final = 4096
_ADVICE: Final = {
    errno.ENOENT: "there is no such file; make it, with mode 0600",
    errno.ENOTDIR: "there is no such file; make it, with mode 0600",
    errno.EACCES: "no permission to read it; make it belong to who reads the configuration",
    errno.EPERM: "no permission to read it; make it belong to who reads the configuration",
}


class SecretReader:
    """Reads what a document says of secrets."""

    def __init__(self, reference: Reference, directory: Path, *, files: bool = True) -> None:
        """Take where references come from and where the document is; ``files`` False: none is opened."""
        self._reference = reference
        self._directory = directory
        self._files = files

    def read(self, value: Any, place: str, judge: Judge, warn: Warn) -> Any:
        """Give the reference of a secret; what is neither text nor ``{ file = "PATH" }`` is left as it is.

        Raises:
            Misplaced: it can be none, or its file cannot be read.
        """
        where = place
        if isinstance(value, dict):
            where = f"{place}.file"
            path = _path(value, place)
            if not self._files:
                return self._reference(f"file:{path}")
            value = self._text(path, where, warn)
        if not isinstance(value, str):
            return value
        try:
            return self._reference(judge(str(value)))
        except RefusedError as error:
            raise Misplaced(where, str(error)) from None

    def _text(self, path: str, place: str, warn: Warn) -> str:
        try:
            body, mode = _read(self._directory / path)
        except (OSError, ValueError) as error:
            number = error.errno if isinstance(error, OSError) else None
            said = _ADVICE.get(number or 0, "it cannot be read; check it")
            raise Misplaced(place, f"{quoted(path)}: {said}") from None
        if not stat.S_ISREG(mode):
            raise Misplaced(
                place, f"{quoted(path)}: it is no regular file; it must be readable at every reload"
            )
        text = body.removesuffix(b"\n").removesuffix(b"\r")
        if len(body) > _LARGEST:
            raise Misplaced(place, f"{quoted(path)}: it is larger than {_LARGEST} bytes; is this a secret?")
        if not text or b"\n" in text or b"\0" in text:
            said = "it has more than one line" if text else "it is empty"
            raise Misplaced(place, f"{quoted(path)}: {said}; write the secret alone into it")
        if mode & (stat.S_IROTH | stat.S_IWOTH):
            warn(place, f"{quoted(path)} can be read by everyone on this host; chmod 600 it")
        try:
            return text.decode()
        except UnicodeDecodeError:
            raise Misplaced(place, f"{quoted(path)}: it is no text in UTF-8; write one") from None


def _path(value: dict[str, Any], place: str) -> str:
    for key in value:
        if key != "file":
            raise unknown_key(key, ("file",), f"{place}.{key}")
    path = value.get("file")
    if not isinstance(path, str) or not path:
        raise Misplaced(place, 'there is no path; write { file = "/run/secrets/NAME" }')
    return str(path)


def _read(path: Path) -> tuple[bytes, int]:
    """Read a file's beginning, and its mode; of what is no regular file nothing is read."""
    # a pipe without a writer would wait here for ever
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        return os.read(descriptor, _LARGEST + 1) if stat.S_ISREG(mode) else b"", mode
    finally:
        os.close(descriptor)
