"""Read a configuration file's text, or say in one line why it cannot be one."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

from config_service.problems import ConfigError, Problem, file_name

LARGEST: Final = 64 * 1024 * 1024
"""Bytes; a configuration of 2,300 virtual servers and 37,300 real servers has 8 MB."""

_ADVICE: Final = {
    errno.ENOENT: "there is no such file; check the path",
    errno.ENOTDIR: "there is no such file; check the path",
    errno.EACCES: "no permission to read it; run as its owner or change its mode",
    errno.EPERM: "no permission to read it; run as its owner or change its mode",
    errno.ELOOP: "its symbolic links go in a circle; check the path",
    errno.ENAMETOOLONG: "the name is too long; check the path",
}


def read_text(path: Path, *, may_be_empty: bool = False) -> str:
    """Read a file whole.

    Raises:
        ConfigError: it cannot be read, is no regular file, is empty, too large or not UTF-8.
    """
    body = _read_bytes(path)
    if not body.strip() and not may_be_empty:
        raise _refused(path, "the file is empty; was it cut off, or is the path wrong?")
    if body.startswith(b"\xef\xbb\xbf"):
        raise _refused(path, "the file begins with a byte order mark; save it as UTF-8 without one")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise _refused(
            path, f"byte 0x{body[error.start]:02x} is not UTF-8; is this a text file? save it as UTF-8", line
        ) from None


def _read_bytes(path: Path) -> bytes:
    try:
        # a pipe without a writer would wait here for ever
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _refused(path, _in_words(error)) from None
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise _refused(path, "this is a directory; name the file in it")
        if not stat.S_ISREG(mode):
            raise _refused(path, "this is no regular file; it must be readable again at every reload")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            body = file.read(LARGEST + 1)
    except OSError as error:
        raise _refused(path, _in_words(error)) from None
    finally:
        os.close(descriptor)
    if len(body) > LARGEST:
        raise _refused(path, f"the file is larger than {LARGEST >> 20} MiB; is this a configuration?")
    return body


def _in_words(error: OSError) -> str:
    return _ADVICE.get(error.errno or 0, f"it cannot be read ({error.strerror}); check the file")


def _refused(path: Path, text: str, line: int = 1) -> ConfigError:
    return ConfigError([Problem(file_name(path), line, text)])
