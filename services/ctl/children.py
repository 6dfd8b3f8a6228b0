"""The processes of one router: what each is started with, what it may do, how long it may take to stop."""

from __future__ import annotations

import platform
import signal
import sys
from pathlib import Path

import msgspec

from vipbus.runtime.privileges import Capability
from vipbus.runtime.settings import ListenAddress
from vipbus.telemetry.logs import LogFormat

NATS_SERVER = "nats-server"
CONFIG_SERVICE = "config-service"
STOP_ORDER = (
    "vrrp-agent",
    "ipvs-programmer",
    "haproxy-programmer",
    "health-prober",
    CONFIG_SERVICE,
    NATS_SERVER,
)
"""Addresses leave before the table behind them is cleared, and all of it is told while the bus is there."""


class Child(msgspec.Struct, frozen=True, kw_only=True):
    """One process."""

    name: str
    command: tuple[str, ...]
    capabilities: tuple[Capability, ...] = ()
    """All that it holds after its exec."""
    stop_within: float = 3.0
    """Seconds from SIGTERM to SIGKILL."""
    on_parent_death: signal.Signals = signal.SIGTERM
    environment: tuple[tuple[str, str], ...] = ()
    descriptors: tuple[int, ...] = ()
    """That it inherits."""
    log_file: Path | None = None
    """Where its stdout and stderr go; None: to the supervisor's own stderr."""

    @property
    def module(self) -> str | None:
        """The module that `python_module` made its command of; None: it is another program."""
        start = python_module("")[:-1]
        return self.command[len(start)] if self.command[: len(start)] == start else None

    @property
    def arguments(self) -> tuple[str, ...]:
        """What follows the module in its command."""
        return self.command[len(python_module("")) :]


class RunSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What ``vipbus run`` was told."""

    file: Path
    router: str | None
    config_id: str | None = None
    """What the conditions of the file are compared with; None: the host's name."""
    state_dir: Path
    bus: str | None
    log: LogFormat
    standby: str
    bus_port: int
    watch: bool = False
    """True: the file is read again when it changes."""
    docker: str | None = None
    """The address of the engine whose labels config-service follows; None: none."""
    metrics: ListenAddress | None
    """Where config-service answers ``/metrics``; the other services on the ports after it."""


def python_module(module: str, *arguments: str) -> tuple[str, ...]:
    """Make the command that runs a module with this interpreter.

    ``-P`` keeps the current directory out of the module path: root may stand anywhere.
    """
    return (sys.executable, "-P", "-m", module, *arguments)


def config_service(settings: RunSettings, router: str | None, *, announce: int | None = None) -> Child:
    """Make config-service.

    With ``announce`` it reads its file first, and ends with what is wrong with it on stderr, or writes the
    router's name to this descriptor and goes on.
    """
    listens = _listen_arguments(settings.metrics)
    named = ("--router", router) if router is not None else ()
    docker = ("--docker", settings.docker) if settings.docker is not None else ()
    return Child(
        name=CONFIG_SERVICE,
        command=python_module(
            "config_service",
            *("--file", str(settings.file), *_config_id(settings), *named),
            *("--state-dir", str(settings.state_dir), "--log", settings.log, *listens[0], *docker),
            *(("--watch",) if settings.watch else ()),
            *(("--announce", str(announce)) if announce is not None else ()),
        ),
        # the operator's file may belong to someone else
        capabilities=(Capability.DAC_READ_SEARCH,),
        descriptors=(announce,) if announce is not None else (),
    )


def _config_id(settings: RunSettings) -> tuple[str, ...]:
    return () if settings.config_id is None else (f"--config-id={settings.config_id}",)


def services(settings: RunSettings, router: str) -> tuple[Child, ...]:
    """Make the services of a router beside config-service, in the order in which they start."""
    listens = _listen_arguments(settings.metrics)
    common = ("--router", router, "--state-dir", str(settings.state_dir), "--log", settings.log)
    return (
        Child(
            name="vrrp-agent",
            command=python_module("vrrp_agent", *common, *listens[1]),
            capabilities=(
                Capability.NET_ADMIN,
                Capability.NET_RAW,
                Capability.SYS_NICE,  # SCHED_RR
                Capability.IPC_LOCK,  # mlockall
                # laid aside by the agent itself, and passed on to the process that runs the scripts: it
                # runs them as the user that the configuration names, and ends them
                Capability.CHOWN,
                Capability.KILL,
                Capability.SETGID,
                Capability.SETUID,
            ),
            # it waits for its successor's advertisement before the addresses go, and tells the last of it
            stop_within=9.0,
        ),
        Child(
            name="ipvs-programmer",
            command=python_module(
                "ipvs_programmer", *common, *listens[3], "--standby", settings.standby, "--on-stop", "remove"
            ),
            capabilities=(
                Capability.NET_ADMIN,
                Capability.SYS_MODULE,  # modprobe ip_vs
                # laid aside by the programmer itself, for the process that runs the programs of pools
                Capability.CHOWN,
                Capability.KILL,
                Capability.SETGID,
                Capability.SETUID,
            ),
            stop_within=10.0,
            # Without a supervisor all end at once and nobody keeps the order. A killed programmer leaves the
            # table, so that the agent still hands over with one behind the address; the next run adopts it.
            on_parent_death=signal.SIGKILL,
        ),
        Child(
            name="health-prober",
            command=python_module("health_prober", *common, *listens[2]),
            capabilities=(
                Capability.NET_RAW,  # ping, checks by an interface
                *_for_marks(),
                # laid aside by the prober itself, for the process that runs the scripts
                Capability.KILL,
                Capability.SETGID,
                Capability.SETUID,
            ),
        ),
        *([_haproxy(common, listens[4])] if settings.file.suffix == ".toml" else []),
    )


def _haproxy(common: tuple[str, ...], listen: tuple[str, ...]) -> Child:
    """Make the programmer of proxies, which only the native language knows."""
    return Child(
        name="haproxy-programmer",
        command=python_module("haproxy_programmer", *common, *listen),
        capabilities=(
            Capability.NET_BIND_SERVICE,
            Capability.SETGID,  # its workers run as haproxy
            Capability.SETUID,
            Capability.KILL,
            Capability.DAC_READ_SEARCH,  # certificates
        ),
        stop_within=5.0,
        # HAProxy itself outlives it, and the next run goes on with it
        on_parent_death=signal.SIGKILL,
    )


def _for_marks(release: str | None = None) -> tuple[Capability, ...]:
    """Say what a check with a firewall mark takes beyond CAP_NET_RAW, which is enough since Linux 5.17."""
    numbers = (platform.release() if release is None else release).split(".")[:2]
    if all(number.isdecimal() for number in numbers) and tuple(map(int, numbers)) >= (5, 17):
        return ()
    return (Capability.NET_ADMIN,)


def _listen_arguments(first: ListenAddress | None) -> list[tuple[str, ...]]:
    if first is None:
        return [()] * 5
    host = f"[{first.host}]" if ":" in first.host else first.host
    return [("--listen", f"{host}:{first.port + offset}") for offset in range(5)]
