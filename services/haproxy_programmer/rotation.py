"""Brings certificates that changed in their files into the running worker, without a reload."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from haproxy_programmer import runtime
from haproxy_programmer.certificate_files import Reader
from haproxy_programmer.certificates import Change, Files, changes, paths, sources
from haproxy_programmer.site import Site
from haproxy_programmer.writing import word

log = logging.getLogger(__name__)


class Rotation:
    """What a worker has of the files; ``socket`` is where it takes commands."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._reader = Reader()
        self._pid = 0
        self._held: dict[str, str] = {}
        self._before: dict[str, str] = {}
        self._refused: dict[str, tuple[str, str]] = {}
        """By path: the digest that was refused, and why."""

    async def look(self, site: Site) -> None:
        """Read the files that a worker will read, before it does: what changes then is brought again."""
        self._before = (await self._files(site)).digests

    async def bring(self, site: Site, pid: int) -> str:
        """Bring what changed to the worker of this process id; return what is wrong, empty when nothing is.

        Raises:
            SilentError: there is no answer; what was done is not known.
        """
        if pid != self._pid:
            self._pid, self._held, self._before = pid, self._before, {}
            self._refused = {}
        files = await self._files(site)
        there = files.digests
        if there != self._held:
            loaded = paths(await runtime.ask(self._socket, "show ssl cert"))
            for change in changes(files, self._held, loaded):
                if self._refused.get(change.path, (None,))[0] != change.digest:
                    await self._try(change)
        refused = [
            f"{path}: {why}" for path, (digest, why) in self._refused.items() if there.get(path, "") == digest
        ]
        return "; ".join([*refused, *files.wrong][:3])

    async def _try(self, change: Change) -> None:
        for command, expected in change.commands:
            said = await runtime.ask(self._socket, command)
            if expected not in said:
                why = " ".join(said.split())[:300] or "it was not answered"
                # HAProxy has one transaction for all of them: left open it would be in everybody's way
                await runtime.ask(self._socket, f"abort ssl cert {word(change.path)}")
                self._refused[change.path] = (change.digest, why)
                log.warning("HAProxy did not take %s: %s", change.path, why)
                return
        self._refused.pop(change.path, None)
        if change.digest:
            self._held[change.path] = change.digest
        else:
            self._held.pop(change.path, None)
        log.info("certificate %s %s", change.path, "taken" if change.digest else "removed")

    async def _files(self, site: Site) -> Files:
        found = sources(site)
        return await asyncio.to_thread(self._reader.read, found) if found else Files()
