"""Is the clock kept, and does it agree with the bus's?"""

from __future__ import annotations

from collections.abc import Iterator

from ctl.doctor.finding import Finding, advice, ok, problem, unknown

_SECONDS = 1.0
"""A difference from which on the order of events in a timeline is another one."""


def clock(*, synchronised: bool | None, ahead: float | None) -> Iterator[Finding]:
    """Judge the clock; ``ahead`` is how many seconds it is before the bus's, None: not measured."""
    if ahead is not None and abs(ahead) > _SECONDS:
        word = "ahead of" if ahead > 0 else "behind"
        yield problem(
            "clock",
            f"this host is {abs(ahead):.1f} s {word} the bus: timelines are wrong, and authentication with a "
            "time window refuses packets",
            "let chrony or systemd-timesyncd keep both clocks",
        )
    elif ahead is not None:
        yield ok("clock", f"it agrees with the bus's to {max(abs(ahead), 0.001):.3f} s")
    if synchronised is None:
        yield unknown("clock", "the kernel does not say whether it is kept", "timedatectl status")
    elif not synchronised:
        yield advice("clock", "nothing keeps it (adjtimex)", "apt-get install chrony")
    else:
        yield ok("clock", "it is kept (adjtimex)")
