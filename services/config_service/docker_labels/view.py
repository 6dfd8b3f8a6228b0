"""What is known of all labelled containers, as lists, events and inspections come. Pure.

An event only says where to look again: what counts is the inspection. The one exception is a signal that
stops a container: an inspection does not show it, and it is known before the process has ended.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from config_service.docker_labels.containers import LABEL, Container, Event
from config_service.docker_labels.labels import Member, Refused, member_of

ACTIONS: Final = (
    *("start", "kill", "die", "pause", "unpause", "health_status", "rename", "destroy"),
    *("connect", "disconnect"),
)
"""What the engine is asked to tell of; the last two are of networks."""
_ENDING: Final = (signal.SIGTERM, signal.SIGKILL)
"""What stops a container whatever its own stop signal is."""


class Members(msgspec.Struct, frozen=True):
    """What Docker says now."""

    members: tuple[Member, ...] = ()
    """By the name of their containers."""
    refused: tuple[Refused, ...] = ()


class View:
    """The labelled containers of one engine."""

    def __init__(self) -> None:
        self._containers: dict[str, Container] = {}
        self._leaving: dict[str, datetime] = {}
        """When a container was last told to stop; it may still run."""

    def listed(self, containers: Iterable[Container]) -> None:
        """Take a whole list; what is not in it is gone."""
        self._containers = {each.id: each for each in containers if LABEL in each.labels}
        self._leaving = {id_: at for id_, at in self._leaving.items() if id_ in self._containers}

    def heard(self, event: Event) -> bool:
        """Take an event; return whether its container is to be inspected."""
        known = self._containers.get(event.container)
        if known is None:
            return event.labelled and event.action != "destroy"
        if event.action == "kill":
            if event.signal in (known.stop_signal, *_ENDING):
                self._leaving[event.container] = event.at
            return False
        if event.action in ("die", "destroy") and event.at >= known.started:
            del self._containers[event.container]
            # a container that is started again at once has another life by now
            return event.action == "die"
        return True

    def seen(self, id_: str, container: Container | None) -> None:
        """Take an inspection; None: there is no such container any more."""
        if container is None or LABEL not in container.labels:
            self._containers.pop(id_, None)
            self._leaving.pop(id_, None)
        else:
            self._containers[id_] = container

    @property
    def members(self) -> Members:
        """Who is in: running, not told to stop, not paused, its health check not still at its beginning."""
        members: list[Member] = []
        refused: list[Refused] = []
        for each in sorted(self._containers.values(), key=lambda one: (one.name, one.id)):
            if not each.running or each.paused or each.health == "starting" or self._is_leaving(each):
                continue
            found = member_of(each)
            if isinstance(found, Member):
                members.append(found)
            else:
                refused.append(found)
        return Members(tuple(members), tuple(refused))

    def _is_leaving(self, container: Container) -> bool:
        told = self._leaving.get(container.id)
        return told is not None and told >= container.started
