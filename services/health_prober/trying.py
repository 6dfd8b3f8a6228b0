"""Runs one attempt to its end: in time, and with every way to fail told in words."""

from __future__ import annotations

import asyncio
import ssl
import time

from health_prober import causes
from health_prober.attempt import CheckFailedError, NotTriedError, Steps, attempt_for
from health_prober.check import Event, Failed, Succeeded, Unproven
from vipbus.contracts import Check


async def tried(check: Check, steps: Steps) -> Event:
    """Try a check once; whatever the target does is in the event."""
    attempt = attempt_for(check)  # a first import takes longer than many a timeout
    began = time.monotonic()
    try:
        async with asyncio.timeout(check.timeout):
            passed = await attempt(check, steps)
    except TimeoutError:
        if steps.silence is not None:
            return Succeeded(began, steps.silence)
        waiting = f" ({steps.waiting})" if steps.waiting else ""
        return Failed(began, causes.timed_out(check.timeout) + waiting)
    except CheckFailedError as error:
        return Failed(began, str(error))
    except NotTriedError as error:
        return Unproven(began, str(error))
    except ssl.SSLError as error:  # its errno is none of the system's
        from health_prober.tls import explain  # noqa: PLC0415  # for the kinds that speak TLS

        return Failed(began, explain(error))
    except OSError as error:
        number = error.errno or 0
        if number in causes.LOCAL:
            return Unproven(began, causes.local_trouble(number))
        return Failed(began, causes.failed(number) if number else str(error).lower())
    return Succeeded(began, passed)
