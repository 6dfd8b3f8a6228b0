"""Whether anyone but root could change a program (keepalived.conf(5), enable_script_security)."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path, PurePath

_LINKS = 40
"""Symbolic links in one path that are followed (path_resolution(7))."""


def weakness(path: str) -> str:
    """Say which part of a program's path others than root could write, in words; empty: none.

    Every directory on the way counts, those behind symbolic links too: whoever may write one of them may put
    another program in its place. A sticky directory of root's (``/tmp``) lets nobody replace what is root's.

    Raises:
        OSError: a part of the path cannot be looked at.
    """
    left = list(reversed(PurePath(path).parts))
    at, followed = "/", 0
    while left:
        part = left.pop()
        if part == "/":
            at = part
        elif part == "..":
            at = str(PurePath(at).parent)
            continue
        else:
            at = str(PurePath(at, part))
        status = os.lstat(at)
        if stat.S_ISLNK(status.st_mode):
            followed += 1
            if followed > _LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            if status.st_uid != 0:
                return f"{at} belongs to user {status.st_uid}"
            left += reversed(Path(at).readlink().parts)
            at = str(PurePath(at).parent)
        elif problem := _writable(at, status):
            return problem
    return ""


def _writable(path: str, status: os.stat_result) -> str:
    mode = status.st_mode
    if status.st_uid != 0:
        return f"{path} belongs to user {status.st_uid}"
    if stat.S_ISDIR(mode) and mode & stat.S_ISVTX:
        return ""
    # with an access control list these bits are its mask: what it grants at most (acl(5))
    if mode & stat.S_IWGRP and status.st_gid != 0:
        return f"{path} can be written by group {status.st_gid}"
    if mode & stat.S_IWOTH:
        return f"{path} can be written by everybody"
    return ""
