"""What the results of a script mean: up after ``rise`` successes in a row, down after ``fall`` failures.

As in keepalived 2.2.7 the first result decides alone, whatever ``rise`` and ``fall`` say, with ``init_fail``
too. A script has no word about its weight: its exit status is success or failure.
"""

from __future__ import annotations

import msgspec


class Damped(msgspec.Struct, frozen=True):
    """A script's state between two results."""

    up: bool | None = None
    """None: there was no result yet."""
    decided: bool = False
    """False: the next result decides alone."""
    against: int = 0
    """Results in a row that spoke for the other state."""


def begin(*, init_fail: bool, before: Damped | None = None) -> Damped:
    """Make the state of a script that is to run.

    ``before``: of the script that had its name; its word holds until the new one's first result.
    """
    if before is not None and before.up is not None:
        return Damped(before.up)
    return Damped(False if init_fail else None)


def damp(state: Damped, *, success: bool, rise: int, fall: int) -> Damped:
    """Take a result."""
    if not state.decided:
        return Damped(success, decided=True)
    if success == state.up:
        return Damped(state.up, decided=True)
    against = state.against + 1
    if against >= (rise if success else fall):
        return Damped(success, decided=True)
    return Damped(state.up, decided=True, against=against)
