"""A tracked file as it is made at the start (keepalived.conf(5), track_file)."""

from __future__ import annotations

import os

from vipbus.contracts import TrackFile


def initialise(file: TrackFile) -> str:
    """Write the first value where the configuration says so; return what went wrong, empty: nothing."""
    if file.init is None:
        return ""
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if file.init_overwrite else os.O_EXCL)
    try:
        descriptor = os.open(file.path, flags | os.O_NONBLOCK | os.O_NOCTTY, 0o644)
    except FileExistsError:
        return ""
    except (OSError, ValueError) as error:
        return f"{file.path} cannot be made: {_words(error)}"
    try:
        os.write(descriptor, b"%d\n" % file.init)
    except OSError as error:
        return f"{file.path} cannot be written: {_words(error)}"
    finally:
        os.close(descriptor)
    return ""


def _words(error: OSError | ValueError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
