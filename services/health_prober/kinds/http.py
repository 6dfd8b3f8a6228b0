"""HTTP requests one after the other, by HTTP/1.0, 1.1 or 2, in the clear or by TLS."""

from __future__ import annotations

import asyncio
from contextlib import closing

from health_prober.attempt import CheckFailedError, NotTriedError, Passed, Steps
from health_prober.causes import quoted
from health_prober.http_judge import RECOVERY, Answer, blamed, judge, octets_of, redirected
from health_prober.stream import Stream, connect
from health_prober.tls import warning_for
from vipbus.contracts import HttpCheck, HttpRequest


async def attempt(check: HttpCheck, steps: Steps) -> Passed:
    """Ask each request on a connection of its own; the status of the last is what there is to tell."""
    note = warning = ""
    for number, request in RECOVERY.order(check):
        try:
            passed = await _asked(check, request, steps)
        except NotTriedError:
            raise
        except CheckFailedError as error:
            RECOVERY.failed(check, number)
            raise CheckFailedError(blamed(check, request, str(error))) from None
        except BaseException:  # the connection failed, or the time is up
            RECOVERY.failed(check, number)
            raise
        note, warning = passed.note, passed.warning or warning
    RECOVERY.passed(check)
    return Passed(note=note, warning=warning)


async def _asked(check: HttpCheck, request: HttpRequest, steps: Steps) -> Passed:
    asking, warning = request, ""
    alpn = ("h2",) if check.version == "2" else ()
    while True:
        with closing(await connect(check, steps, check.tls, alpn)) as stream:
            if check.tls is not None:
                warning = warning_for(check.tls, stream.certificate)
            answer = await _answered(stream, check, asking, steps)
        steps.done(f"status {answer.status}, {len(answer.content)} octets of content")
        onward = redirected(check, asking, answer)
        if onward is None:
            break
        asking = onward
    if request.regex:
        # it may take long, and others are served by this thread
        passed = await asyncio.to_thread(judge, asking, answer)
    else:
        passed = judge(asking, answer)
    return Passed(note=passed.note, warning=warning)


async def _answered(stream: Stream, check: HttpCheck, request: HttpRequest, steps: Steps) -> Answer:
    steps.done(f"asking {request.method} {quoted(request.path.partition('?')[0])}")
    if check.version != "2":
        return await _by_http1(stream, check, request, steps)
    if check.tls is not None and stream.alpn != "h2":
        raise CheckFailedError("the server does not speak HTTP/2 (ALPN)")
    from health_prober.http2 import ask  # noqa: PLC0415  # a library that few checks need

    return await ask(stream, check, request, steps)


async def _by_http1(stream: Stream, check: HttpCheck, request: HttpRequest, steps: Steps) -> Answer:
    from health_prober.lean_http import Response  # noqa: PLC0415  # as above

    steps.wait(blamed(check, request, "sending the request"))
    await stream.send(octets_of(check, request))
    steps.wait(blamed(check, request, "waiting for the response"))
    with closing(Response(request.method)) as response:
        while octets := await stream.receive():
            if response.feed(octets):
                break
            if response.status >= 200:
                steps.wait(blamed(check, request, "reading the content"))
            await asyncio.sleep(0)  # a server that always has more would let nobody else work
        else:
            response.closed()
        return response.answer()
