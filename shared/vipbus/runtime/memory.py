"""Gives the system back what was needed for a moment."""

from __future__ import annotations

LARGE = 1 << 20
"""Octets that are worth it."""


def give_back() -> None:
    """Have the C library return what is free in its heap (malloc_trim(3)).

    Once it has freed a block of megabytes it keeps twice as many for the next one (mallopt(3),
    M_MMAP_THRESHOLD), and there is none. Not for a process that has locked its memory. Another library than
    glibc has its own way.
    """
    import ctypes  # noqa: PLC0415  # start-up counts, and few processes ever hold so much

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
