"""A program whose exit status says up or down (keepalived.conf(5), MISC_CHECK).

One that is not there, may not be run or has no such user proves nothing of the real server; keepalived drops
such a check at its start, and then the server counts as up.
"""

from __future__ import annotations

from health_prober.attempt import PASSED, CheckFailedError, NotTriedError, Passed, Steps
from health_prober.programs import NotRunError, programs
from vipbus.contracts import ScriptCheck
from vipbus.runtime.runner.messages import Ended

_WEIGHT_OFFSET = 2
"""Exit statuses 0 and 1 are taken; a weight of 0 is 2."""


async def attempt(check: ScriptCheck, steps: Steps) -> Passed:
    """Run the program once."""
    steps.wait("running the script")
    try:
        ended = await programs().run(check.program, secure=check.secure)
    except NotRunError as error:
        raise NotTriedError(str(error)) from None
    steps.done(ended.cause)
    return judged(ended, dynamic=check.dynamic)


def judged(ended: Ended, *, dynamic: bool) -> Passed:
    """Say what an end means.

    Raises:
        CheckFailedError: that the real server is down.
    """
    status = ended.status
    if status is None:
        raise CheckFailedError(f"script {ended.cause}")
    if status == 0:
        return PASSED
    if status == 1 or not dynamic:
        raise CheckFailedError(f"script exit {status}")
    return Passed(note=f"script exit {status}", weight=status - _WEIGHT_OFFSET)
