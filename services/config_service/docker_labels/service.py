"""Lays what Docker says over the configuration of every router that is served here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from config_service import metrics
from config_service.docker_labels.overlay import Laid, overlay
from config_service.docker_labels.told import changes, problems
from config_service.docker_labels.view import Members
from config_service.docker_labels.watcher import Watcher
from config_service.overlay import Overlay
from vipbus.contracts import Entity
from vipbus.runtime.readiness import Readiness

log = logging.getLogger(__name__)

_ENGINE: Final = "docker"
"""The name of the problem that the engine is away; those of containers begin with it."""


class Laying(Protocol):
    """A router's keeper, as far as it is needed."""

    router: str

    def overlay(self, overlay: Overlay | None, cause: str) -> None:
        """Take an overlay."""


class DockerLabels:
    """Real servers by labels, for all keepers."""

    def __init__(
        self,
        host: str,
        readiness: Readiness,
        keepers: Callable[[], Iterable[Laying]],
        on_fault: Callable[[BaseException], None],
    ) -> None:
        self._readiness = readiness
        self._keepers = keepers
        self._loop = asyncio.get_running_loop()
        self._members: Members | None = None
        """None: the engine has not answered yet, and nobody knows."""
        self._laid: dict[str, Laid] = {}
        self._told: set[str] = set()
        self._watcher = Watcher(
            host,
            on_members=lambda members: self._call(self._on_members, members),
            on_lost=lambda reason: self._call(self._on_lost, reason),
            on_fault=lambda fault: self._call(on_fault, fault),
        )

    def start(self) -> None:
        """Begin to follow the engine."""
        self._watcher.start()

    def stop(self) -> None:
        """End."""
        self._watcher.stop()

    def lay(self, keeper: Laying) -> None:
        """Lay what is known over a keeper's configuration."""
        if self._members is not None:
            keeper.overlay(self._overlay(keeper.router, self._members), "docker")

    def _call(self, function: Callable[..., None], argument: object) -> None:
        """Go on in the event loop, unless that has ended."""
        try:
            self._loop.call_soon_threadsafe(function, argument)
        except RuntimeError:
            log.debug("nobody listens any more")

    def _on_members(self, members: Members) -> None:
        self._readiness.problem(_ENGINE, "")
        metrics.DOCKER_CONNECTED.set(1)
        metrics.DOCKER_CONTAINERS.set(len(members.members))
        before, self._members = self._members, members
        cause = changes(before, members)
        if before is not None and before.members == members.members:
            self._tell()
            return
        for keeper in self._keepers():
            keeper.overlay(self._overlay(keeper.router, members), cause)

    def _on_lost(self, reason: str) -> None:
        metrics.DOCKER_CONNECTED.set(0)
        kept = len(self._members.members) if self._members is not None else None
        stays = f"its {kept} real servers stay" if kept is not None else "the real servers it had stay"
        self._readiness.problem(_ENGINE, f"{reason}; {stays} as they were")

    def _overlay(self, router: str, members: Members) -> Overlay:
        def over(entities: Sequence[Entity]) -> Iterable[Entity]:
            laid = self._laid[router] = overlay(entities, members.members)
            self._tell()
            return laid.entities

        return over

    def _tell(self) -> None:
        """Say which containers are no real servers, and why."""
        members = self._members or Members()
        texts = {f"{_ENGINE} {name}": text for name, text in problems(members, self._laid.values()).items()}
        for name in self._told - texts.keys():
            self._readiness.problem(name, "")
        for name, text in texts.items():
            self._readiness.problem(name, text)
        self._told = set(texts)
