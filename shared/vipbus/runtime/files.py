"""Files that are either the old one or the new one, never half of one."""

from __future__ import annotations

import os
from pathlib import Path


def write_atomically(path: Path, body: bytes, mode: int = 0o600) -> None:
    """Write a file beside its place and rename it there.

    The rename is atomic against a crash of this process; against a power cut it is not forced to disk:
    everything written so is state that is learned again.

    Raises:
        OSError: the directory is not writable or full.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        view = memoryview(body)
        while view:
            view = view[os.write(descriptor, view) :]
    finally:
        os.close(descriptor)
    partial.replace(path)
