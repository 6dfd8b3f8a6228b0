"""A TLS handshake, and a look at the certificate."""

from __future__ import annotations

from contextlib import closing

from health_prober.attempt import Passed, Steps
from health_prober.stream import SETTLE, TlsStream, connect
from health_prober.tls import warning_for
from vipbus.contracts import TlsCheck


async def attempt(check: TlsCheck, steps: Steps) -> Passed:
    """Shake hands and wait until the server is content too."""
    with closing(await connect(check, steps, check.tls)) as stream:
        warning = warning_for(check.tls, stream.certificate)
        if isinstance(stream, TlsStream):
            await stream.settle(min(SETTLE, check.timeout / 4))
        steps.done("accepted by the server")
    return Passed(warning=warning)
