"""What is to be checked: the targets of every router's last whole revision."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from health_prober.targets import Target, Targets, everything_known
from vipbus.contracts import CONFIG_OUTLINE
from vipbus.runtime.revision import Revisions

if TYPE_CHECKING:
    from vipbus.bus import Bus


class Configuration:
    """Followed; ``wake`` is called when there may be something to `read`."""

    def __init__(self, bus: Bus, saved: Path, wake: Callable[[], None]) -> None:
        self.targets: Mapping[str, Target] = {}
        """Every checked real server there is, by key, whoever leads it."""
        self._wake = wake
        self._changed = True
        self._entity = ""
        self._revisions = Revisions()
        self._targets = Targets()
        self._follow = bus.follow(CONFIG_OUTLINE, on_change=self._note, on_key=self._note_entity, saved=saved)

    def read(self) -> bool:
        """Take what is new; True if anything was."""
        if not self._changed:
            return False
        self._changed = False
        if not self._revisions.update(self._follow.entries):
            return False
        self.targets = self._targets.of(self._revisions.routers.values())
        return True

    def known(self) -> Collection[str] | None:
        """Give the keys of every checked real server there is; None where that is not sure."""
        sure = self._follow.live and everything_known(self._follow.entries, self._revisions.routers)
        return self.targets.keys() if sure else None

    def numbers(self) -> dict[str, int]:
        """Each router's revision number, by router name."""
        return self._revisions.numbers()

    def save_now(self) -> None:
        """Write what is not saved yet; for the end of the process."""
        self._follow.save_now()

    def _note_entity(self, key: str) -> None:
        self._entity = key

    def _note(self) -> None:
        # thousands of documents come before their head does; of a new snapshot no key is told
        key, self._entity = self._entity, ""
        if not key or key.endswith(".head") or self._revisions.waiting:
            self._changed = True
            self._wake()
