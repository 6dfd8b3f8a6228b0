"""The first reading of a file under ``vipbus run``: whoever started the service waits for the router's name.

A child reads it. Compiling a large file makes a million objects, and what memory they took would stay with
the service for ever. The child hands over what it found, so that the service compiles none of it again.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

import msgspec

from config_service.load import load_encoded
from config_service.problems import ConfigError
from config_service.unchanged import Kept, Known
from vipbus.runtime.life import EXIT_USAGE
from vipbus.runtime.privileges import end_with_parent
from vipbus.runtime.secrets import Secrets


class FirstReading(msgspec.Struct, frozen=True):
    """What a file says that was accepted."""

    router: str
    kept: Kept


class NotReadError(Exception):
    """The file was not accepted; why is said on stderr already."""

    def __init__(self, status: int) -> None:
        super().__init__(f"exit status {status}")
        self.status = status
        """Of the process."""


def read_first(
    path: Path, router: str | None, config_id: str | None = None, *, empty_pools: bool = False
) -> FirstReading:
    """Read a file; this process must have one thread.

    Raises:
        NotReadError: it is refused, or could not be read.
    """
    handed = os.memfd_create("first-reading")
    try:
        parent = os.getpid()
        child = os.fork()
        if not child:
            # whatever happens, the child must not go on as the service
            status = 1
            try:
                end_with_parent(parent)
                status = _read(handed, path, router, config_id, empty_pools=empty_pools)
            except BaseException:  # it is said, and it ends here
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status:
            raise NotReadError(status if status > 0 else 1)
        with os.fdopen(os.dup(handed), "rb") as file:
            file.seek(0)
            return msgspec.msgpack.decode(file.read(), type=FirstReading)
    finally:
        os.close(handed)


def _read(handed: int, path: Path, router: str | None, config_id: str | None, *, empty_pools: bool) -> int:
    known = Known()
    try:
        configuration, _ = load_encoded(
            path, router, Secrets.in_memory(), known, config_id, empty_pools=empty_pools
        )
    except ConfigError as error:
        sys.stderr.write("\n".join(error.lines(excerpts=True)) + "\n")
        return EXIT_USAGE
    with os.fdopen(os.dup(handed), "wb") as file:
        file.write(msgspec.msgpack.encode(FirstReading(configuration.router, known.kept)))
    return 0
