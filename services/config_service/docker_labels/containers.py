"""A container as the engine knows it, and what happens to it; made from the engine's own JSON. Pure.

Docker Engine API: ``ContainerInspect`` and ``SystemEvents``. Nothing but what decides about a real server is
kept: an inspection also holds the container's environment, and so its secrets.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeVar

import msgspec

PREFIX: Final = "vipbus."
"""Of every label that is read here."""
LABEL: Final = f"{PREFIX}virtual-server"
"""The label that makes a container a real server."""
_PROJECT: Final = "com.docker.compose.project"

_T = TypeVar("_T")
Health = Literal["none", "starting", "healthy", "unhealthy"]


class MalformedError(Exception):
    """What answered is no Docker engine, or one that nobody knows yet."""


class Network(msgspec.Struct, frozen=True):
    """A network that a container is attached to."""

    name: str
    ipv4: str = ""
    ipv4_prefix: int = 0
    ipv6: str = ""
    ipv6_prefix: int = 0


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """One container."""

    id: str
    name: str
    labels: Mapping[str, str]
    """Those of vipbus alone."""
    project: str = ""
    """Of Docker Compose."""
    running: bool = True
    paused: bool = False
    health: Health = "none"
    """``none``: it has no health check."""
    started: datetime
    """When its present life began."""
    stop_signal: int = signal.SIGTERM
    mode: str = ""
    """Its network mode: ``host``, ``none``, ``container:ID``, or the name of its first network."""
    networks: tuple[Network, ...] = ()


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something happened to a container."""

    container: str
    """Its id."""
    action: str
    """``start``, ``kill``, ``health_status: healthy``, ..."""
    signal: int = 0
    """Of a ``kill``."""
    at: datetime
    labelled: bool = False
    """True: the container has our label, as far as the event says."""


def container_of(inspected: Mapping[str, Any]) -> Container:
    """Read an inspection.

    Raises:
        MalformedError: it is none.
    """
    read = _converted(inspected, _Inspected)
    state = read.state
    labels = read.config.labels or {}
    health = state.health.status if state.health is not None else "none"
    return Container(
        id=read.id,
        name=read.name.removeprefix("/"),
        labels={name: text for name, text in labels.items() if name.startswith(PREFIX)},
        project=labels.get(_PROJECT, ""),
        running=state.running and not state.restarting,
        paused=state.paused,
        health=health if health in ("starting", "healthy", "unhealthy") else "none",  # type: ignore[arg-type]  # mypy narrows no str by a tuple
        started=_time(state.started),
        stop_signal=signal_number(read.config.stop_signal),
        mode=read.host.mode,
        networks=tuple(
            Network(name, each.ipv4, each.ipv4_prefix, each.ipv6, each.ipv6_prefix)
            for name, each in sorted((read.settings.networks or {}).items())
        ),
    )


def event_of(said: Mapping[str, Any]) -> Event:
    """Read an event of a container, or of a network that a container joins or leaves.

    Raises:
        MalformedError: it is none.
    """
    read = _converted(said, _Said)
    attributes = read.actor.attributes or {}
    number = attributes.get("signal", "")
    return Event(
        container=attributes.get("container", "") if read.type == "network" else read.actor.id,
        action=read.action,
        signal=signal_number(number) if number else 0,
        at=datetime.fromtimestamp(read.nanoseconds / 1e9, UTC),
        labelled=LABEL in attributes,
    )


def signal_number(text: str) -> int:
    """Read a signal as the engine writes it, ``SIGTERM``, ``TERM``, ``15``; what is none is SIGTERM."""
    if text.isascii() and text.isdigit() and len(text) <= 3:
        return int(text)
    name, plus, more = text.upper().removeprefix("SIG").partition("+")
    found = getattr(signal, f"SIG{name}", None) if name.isalnum() else None
    if not isinstance(found, signal.Signals):
        return signal.SIGTERM
    return int(found) + (int(more) if plus and more.isascii() and more.isdigit() and len(more) <= 2 else 0)


def _time(text: str) -> datetime:
    """Read a moment (RFC 3339); one that the engine leaves out is the beginning of time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


# ---- the engine's own words, as far as they are needed


class _Health(msgspec.Struct):
    status: str = msgspec.field(name="Status", default="none")


class _State(msgspec.Struct):
    running: bool = msgspec.field(name="Running", default=False)
    paused: bool = msgspec.field(name="Paused", default=False)
    restarting: bool = msgspec.field(name="Restarting", default=False)
    started: str = msgspec.field(name="StartedAt", default="")
    health: _Health | None = msgspec.field(name="Health", default=None)


class _Config(msgspec.Struct):
    labels: dict[str, str] | None = msgspec.field(name="Labels", default=None)
    stop_signal: str = msgspec.field(name="StopSignal", default="")


class _Host(msgspec.Struct):
    mode: str = msgspec.field(name="NetworkMode", default="")


class _Endpoint(msgspec.Struct):
    ipv4: str = msgspec.field(name="IPAddress", default="")
    ipv4_prefix: int = msgspec.field(name="IPPrefixLen", default=0)
    ipv6: str = msgspec.field(name="GlobalIPv6Address", default="")
    ipv6_prefix: int = msgspec.field(name="GlobalIPv6PrefixLen", default=0)


class _Settings(msgspec.Struct):
    networks: dict[str, _Endpoint] | None = msgspec.field(name="Networks", default=None)


class _Inspected(msgspec.Struct):
    id: str = msgspec.field(name="Id")
    name: str = msgspec.field(name="Name")
    state: _State = msgspec.field(name="State")
    config: _Config = msgspec.field(name="Config")
    host: _Host = msgspec.field(name="HostConfig", default_factory=_Host)
    settings: _Settings = msgspec.field(name="NetworkSettings", default_factory=_Settings)


class _Actor(msgspec.Struct):
    id: str = msgspec.field(name="ID")
    attributes: dict[str, str] | None = msgspec.field(name="Attributes", default=None)


class _Said(msgspec.Struct):
    type: str = msgspec.field(name="Type")
    action: str = msgspec.field(name="Action")
    actor: _Actor = msgspec.field(name="Actor")
    nanoseconds: int = msgspec.field(name="timeNano")


def _converted(said: object, kind: type[_T]) -> _T:
    try:
        return msgspec.convert(said, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise MalformedError(f"the engine's answer cannot be read: {error}") from None
