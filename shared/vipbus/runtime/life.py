"""A service's life: logs, signals, telemetry, the bus, readiness; then its work until a signal ends it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, Any

from vipbus.runtime.ending import run_to_end
from vipbus.runtime.readiness import Readiness
from vipbus.runtime.service_manager import ServiceManager, Telling
from vipbus.runtime.settings import Settings
from vipbus.runtime.supervision import RESTARTED
from vipbus.telemetry import logs
from vipbus.telemetry.metrics import REGISTRY

if TYPE_CHECKING:
    from vipbus.bus import Bus, Command, Served

log = logging.getLogger(__name__)

EXIT_USAGE = 2
"""Bad settings, bad configuration, no bus to be found: starting again without a change will not help."""
BUS_PROBLEM = "the bus at "
"""How every problem begins that is the bus's and not the service's own."""
EXIT_RESTART = 75
"""Start me again (EX_TEMPFAIL, sysexits.h): the bus closed this client for good."""


class FatalError(Exception):
    """Ends the process with one line: what is wrong and what to do."""

    def __init__(self, message: str, status: int = EXIT_USAGE) -> None:
        super().__init__(message)
        self.status = status


@dataclass(kw_only=True)
class Life:
    """What a service's work is given."""

    settings: Settings
    readiness: Readiness
    bus: Bus
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by SIGTERM and SIGINT."""

    def serve(self, commands: Mapping[str, Command] | None = None) -> Served:
        """Answer on the bus: discovery, condition and these commands; more may be added later."""
        from vipbus.bus import serve  # noqa: PLC0415  # nats stays out of whoever does not use the bus

        router = self.readiness.router
        return serve(
            self.bus,
            self.readiness.service,
            condition=self.readiness.condition,
            metadata={"router": router} if router else {},
            commands=commands,
        )


Work = Callable[[Life], Awaitable[None]]


def prepare(service: str, settings: Settings) -> Callable[[], None]:
    """Set up logs and whatever export the environment asks for; return what flushes it at the end."""
    logs.configure(service, settings.router, settings.log)
    return export(service, settings)


def export(service: str, settings: Settings) -> Callable[[], None]:
    """Start whatever export the environment asks for; return what flushes it at the end.

    The SDK takes half a second to import: a service that must not wait calls this in another thread.
    """
    # an empty variable is an unset one (OpenTelemetry's specification, Environment Variable Specification)
    if not any(name.startswith("OTEL_") and value for name, value in os.environ.items()):
        return lambda: None
    try:
        from vipbus.telemetry import otlp, trace  # noqa: PLC0415  # the SDK only where it is asked for
    except ImportError as error:
        log.warning("OTEL_ variables are set but %s: pip install vipbus[telemetry]", error)
        return lambda: None
    tracer, stop = otlp.start(service, settings.router, REGISTRY)
    if tracer is not None:
        trace.use_exporter(otlp.OtelExporter(tracer))
    return stop


def run(service: str, settings: Settings, work: Work, *, waits_for: tuple[str, ...] = ()) -> int:
    """Run a service whose work is on asyncio; return its exit status.

    ``waits_for`` names the steps that ``work`` reports with `Readiness.done` before it is ready.
    """
    flush = prepare(service, settings)
    try:
        return run_to_end(_run(service, settings, work, waits_for))
    except FatalError as error:
        log.error("%s", error)  # noqa: TRY400  # the line is the message; a traceback helps nobody
        return error.status
    finally:
        flush()
        sys.stderr.flush()


async def _run(service: str, settings: Settings, work: Work, waits_for: tuple[str, ...]) -> int:
    life = connect(service, settings, Readiness(service, settings.router, waits_for=waits_for))
    loop = asyncio.get_running_loop()
    watch_faults(loop, life.readiness)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, life.stopping.set)
    life.bus.start()
    listen(life)
    told = Telling(ServiceManager(), lambda: life.readiness.problems)
    telling = asyncio.ensure_future(_keep_told(told))
    working = asyncio.ensure_future(work(life))
    closed = asyncio.ensure_future(life.bus.closed.wait())
    done, _ = await asyncio.wait({working, closed}, return_when=asyncio.FIRST_COMPLETED)
    telling.cancel()
    told.end()
    if working not in done:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        raise FatalError(f"no more of the bus at {life.bus.address}: {life.bus.ending}", EXIT_RESTART)
    closed.cancel()
    working.result()
    await life.bus.close()
    return 0


async def _keep_told(told: Telling) -> None:
    while told.due is not None:
        told.look(asyncio.get_running_loop().time())
        await asyncio.sleep(told.every)


def watch_faults(loop: asyncio.AbstractEventLoop, readiness: Readiness) -> None:
    """Report what a task or a callback raises and nobody catches: asyncio itself only logs it.

    What never passed through our code is left alone: the NATS client drops futures whose connection went.
    """

    def note(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        loop.default_exception_handler(context)
        error = context.get("exception")
        if error is not None and any(_is_ours(frame) for frame, _ in traceback.walk_tb(error.__traceback__)):
            readiness.problem(
                "fault", f"a fault of this program ({error!r}): its log has the traceback; restart it"
            )

    loop.set_exception_handler(note)


def _is_ours(frame: FrameType) -> bool:
    return not frame.f_globals.get("__name__", "").startswith(("asyncio.", "nats."))


def connect(service: str, settings: Settings, readiness: Readiness) -> Life:
    """Make the life of a service around a bus that is not started yet; needs a running event loop.

    Raises:
        FatalError: no bus is known.
    """
    from vipbus.bus import Bus, NoBusError  # noqa: PLC0415  # nats stays out of whoever does not use the bus
    from vipbus.bus.address import find  # noqa: PLC0415

    try:
        address = find(settings.bus, settings.state_dir)
    except NoBusError as error:
        raise FatalError(str(error)) from None
    source = f"{service}/{settings.router}" if settings.router else service
    bus = Bus(address, source=source)
    readiness.watch("bus", lambda: _bus_problem(bus))
    life = Life(settings=settings, readiness=readiness, bus=bus)
    announce_restart(life)
    return life


def _bus_problem(bus: Bus) -> str:
    if not bus.connected:
        return f"{BUS_PROBLEM}{bus.address} is away: {bus.problem}"
    if bus.not_taken:
        from vipbus.bus.writes import TO_DO_ABOUT_WRITES  # noqa: PLC0415  # nats is there already

        return f"{BUS_PROBLEM}{bus.address} takes no writes: {bus.not_taken}; {TO_DO_ABOUT_WRITES}"
    return ""


def announce_restart(life: Life, environ: Mapping[str, str] = os.environ) -> None:
    """Publish `ServiceRestarted` when the bus is there, if a supervisor says that this is a restart.

    The supervisor itself has no connection to the bus: it must not depend on what it restarts.
    """
    restarts, _, reason = environ.get(RESTARTED, "").partition(" ")
    router = life.readiness.router
    if not restarts.isdigit() or not router:
        return
    from vipbus.contracts import ServiceRestarted  # noqa: PLC0415  # only after a death
    from vipbus.telemetry import trace  # noqa: PLC0415

    event = ServiceRestarted(
        router=router, service=life.readiness.service, reason=reason, restarts=int(restarts)
    )
    said = False

    async def say() -> None:
        nonlocal said
        if not said:
            said = True  # from here on the bus keeps it until it is taken
            await life.bus.publish(event, trace.record("restart"))

    life.bus.when_ready(say)


def listen(life: Life) -> None:
    """Answer ``/ready`` and ``/metrics`` where the settings say so."""
    if life.settings.listen is None:
        return
    from vipbus.runtime import endpoint  # noqa: PLC0415

    life.readiness.problem("endpoint", endpoint.start(life.settings.listen, life.readiness.condition))
