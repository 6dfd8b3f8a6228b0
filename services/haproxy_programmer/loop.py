"""The loop around the programmer: what wakes it, and how it ends."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from typing import Final

from haproxy_programmer import traffic_command
from haproxy_programmer.documents import Documents
from haproxy_programmer.inputs import Inputs
from haproxy_programmer.log_pipe import LogPipe
from haproxy_programmer.log_telling import LogTelling
from haproxy_programmer.options import Options
from haproxy_programmer.process import Process, connections
from haproxy_programmer.programmer import Programmer
from haproxy_programmer.site import Place
from haproxy_programmer.slots import Slots
from haproxy_programmer.standing import Told
from haproxy_programmer.traffic import Traffic
from haproxy_programmer.writing import UnwritableError, word
from vipbus.contracts import Event
from vipbus.runtime.life import FatalError, Life
from vipbus.runtime.saved import Saved
from vipbus.telemetry.trace import TraceContext

log = logging.getLogger(__name__)

_LAST_WORDS: Final = 1.0
_ALONE: Final = 0.001
"""Seconds without another change after which one that came alone is acted on,"""
_PAUSE: Final = 0.004
"""after which a burst of them is over: they are as late as a busy bus makes them,"""
_BURST: Final = 0.1
"""and after which what came of it is acted on in any case."""
_LONGEST_PATH: Final = 80
"""Characters of the directory: a socket's path ends at 107, and HAProxy adds to it while it binds."""


async def work(life: Life, options: Options) -> None:
    """Run until a signal, and end as the options say.

    Raises:
        FatalError: the state directory cannot hold HAProxy's files.
    """
    wake = Wake()
    place = _place(life, options)
    publishing: set[asyncio.Task[None]] = set()

    def publish(event: Event, trace: TraceContext) -> None:
        task = asyncio.get_running_loop().create_task(life.bus.publish(event, trace))
        publishing.add(task)
        task.add_done_callback(publishing.discard)

    inputs = Inputs(life.bus, router=options.router, state_dir=life.settings.state_dir, wake=wake.set)
    documents = Documents(life.bus, options.router)
    told = Told(life.bus, options.router, now=time.monotonic())
    programmer = Programmer(
        inputs,
        Process(options.executable, place, wake.set),
        place,
        documents,
        life.readiness,
        told=told,
        saved=Saved(
            life.settings.state_dir / "haproxy-programmer.slots.json", dict[str, Slots], {}, "the slots"
        ),
        publish=publish,
        router=options.router,
        between_reloads=options.reload_interval,
    )
    traffic = Traffic(place, lambda: programmer.site, life.readiness, most=options.server_metrics)
    programmer.structure.before_reload = traffic.count
    life.readiness.revisions_from(inputs.numbers)
    life.serve(traffic_command.commands(options.router, traffic, lambda: programmer.site))
    telling = LogTelling(options.router, lambda: programmer.site, publish, time.monotonic)
    logs = _logs(place, telling, life)
    counting = asyncio.ensure_future(traffic.keep_counting(options.statistics_interval))
    counting.add_done_callback(_not_silently)
    stop = asyncio.ensure_future(life.stopping.wait())
    stop.add_done_callback(lambda _: wake.set())
    wake.set()
    try:
        while not life.stopping.is_set():
            await _wait(wake, programmer.due - time.monotonic())
            await burst(wake)
            if not life.stopping.is_set():
                await programmer.step()
                _settle(programmer)
        await programmer.stop(keep=options.on_stop == "keep")
        inputs.save()
    finally:
        stop.cancel()
        counting.cancel()
        if logs is not None:
            logs.close()
        await asyncio.gather(documents.close(_LAST_WORDS), told.close(_LAST_WORDS))


def _settle(programmer: Programmer) -> None:
    """Leave what is there after the first step to no collection: one of all of it takes some 30 ms."""
    if programmer.site is not None and not gc.get_freeze_count():
        gc.collect()
        gc.freeze()


def _not_silently(task: asyncio.Future[None]) -> None:
    """Have a fault of a task that nobody waits for reported by the loop."""
    if not task.cancelled():
        task.result()


def _logs(place: Place, telling: LogTelling, life: Life) -> LogPipe | None:
    try:
        return LogPipe(place.lines, telling.line)
    except OSError as error:
        life.readiness.problem("logs", f"{place.lines} cannot be a pipe for HAProxy's log: {error.strerror}")
        return None


def _place(life: Life, options: Options) -> Place:
    directory = life.settings.state_dir.absolute() / "haproxy"
    try:
        word(str(directory))
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except UnwritableError as error:
        raise FatalError(f"{error}; choose another --state-dir") from None
    except OSError as error:
        raise FatalError(
            f"{directory} cannot be made ({error.strerror}); choose another --state-dir"
        ) from None
    if len(str(directory)) > _LONGEST_PATH:
        raise FatalError(f"{directory} is too long for a socket in it; choose a shorter --state-dir")
    return Place(directory=directory, user=options.user, group=options.user, connections=connections(1000))


class Wake:
    """What wakes the loop."""

    def __init__(self) -> None:
        self.changes = 0
        """How many have woken it since it was last cleared."""
        self._event = asyncio.Event()
        self.wait = self._event.wait

    def set(self) -> None:
        """Wake it."""
        self.changes += 1
        self._event.set()

    def clear(self) -> None:
        """Let it sleep."""
        self.changes = 0
        self._event.clear()


async def burst(wake: Wake) -> None:
    """Wait while changes come one after the other: a thousand verdicts at once are one batch, not ten."""
    deadline = time.monotonic() + _BURST
    while wake.changes and time.monotonic() < deadline:
        pause = _ALONE if wake.changes == 1 else _PAUSE
        wake.clear()
        await asyncio.sleep(pause)
    wake.clear()


async def _wait(wake: Wake, seconds: float) -> None:
    try:
        async with asyncio.timeout(max(0.0, min(seconds, 3600.0))):
            await wake.wait()
    except TimeoutError:
        pass
