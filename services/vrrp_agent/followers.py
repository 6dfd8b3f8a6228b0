"""What the bus tells the loop: whole configurations, and tables that are armed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vipbus.contracts import CONFIG_OUTLINE, TABLE, InstanceTable, VrrpConfiguration, name_token
from vipbus.runtime import secrets
from vipbus.runtime.readiness import Readiness
from vipbus.runtime.revision import Revision, Revisions
from vrrp_agent import saved
from vrrp_agent.exchange import Command, Configure, Mailbox, TableSeen

if TYPE_CHECKING:
    from vipbus.bus import Bus, Follow
    from vipbus.contracts import ConfigOutline, TableDocument

_CALM = 0.01
"""Seconds between a change of the configuration and the look at it."""


class Followers:
    """Lives over every connection: what was taken once is not taken again from the next one."""

    def __init__(
        self,
        *,
        router: str,
        state_dir: Path,
        inbox: Mailbox[Command],
        on_revision: Callable[[Revision], None],
    ) -> None:
        self._router = router
        self._token = name_token(router)
        self._state_dir = state_dir
        self._inbox = inbox
        self._on_revision = on_revision
        """Told of every new revision, after the loop."""
        self._answers: dict[str, int] = {}
        self._saved: VrrpConfiguration | None = None
        self._head = b""
        """The head that was taken last, as it came."""
        self._looking: asyncio.TimerHandle | None = None

    def follow(self, bus: Bus, readiness: Readiness) -> None:
        """Follow on a connection, for as long as it lives."""
        revisions = Revisions()
        readiness.revisions_from(revisions.numbers)
        config = bus.follow(
            CONFIG_OUTLINE, f"{self._token}.>", on_change=lambda: self._config_changed(config, revisions)
        )
        table = bus.follow(TABLE, f"{self._token}.instance.>", on_change=lambda: self._table_changed(table))

    def _config_changed(self, follow: Follow[ConfigOutline], revisions: Revisions) -> None:
        """Look at the configuration soon: thousands of documents may come before their head does."""
        head = follow.entries.get(f"{self._token}.head")
        if head is None or head.body == self._head or self._looking is not None:
            return
        loop = asyncio.get_running_loop()
        self._looking = loop.call_later(_CALM, self._look_at_config, follow, revisions)

    def _look_at_config(self, follow: Follow[ConfigOutline], revisions: Revisions) -> None:
        """Hand a new whole revision to the loop; a bus without one is no order to stop."""
        self._looking = None
        revisions.update(follow.entries, self._router)
        revision = revisions.routers.get(self._token)
        head = follow.entries.get(f"{self._token}.head")
        if revision is None or head is None or revision.head != head.value:
            return  # not whole yet
        self._head = head.body
        new = revision.vrrp
        if new != self._saved:
            self._saved = new
            known = secrets.load(self._state_dir)
            self._inbox.put(Configure(configuration=new, secrets=known, trace=revision.trace))
            saved.save(self._state_dir, new)
        self._on_revision(revision)

    def _table_changed(self, follow: Follow[TableDocument]) -> None:
        before, self._answers = self._answers, {key: each.revision for key, each in follow.entries.items()}
        for key, entry in follow.entries.items():
            answer = entry.value
            if before.get(key) == entry.revision or not isinstance(answer, InstanceTable):
                continue
            if answer.armed or answer.error:
                self._inbox.put(
                    TableSeen(
                        instance=name_token(answer.instance),
                        epoch=answer.epoch,
                        error=answer.error,
                        trace=entry.trace,
                    )
                )
