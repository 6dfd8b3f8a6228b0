"""Brings a structure into HAProxy: the file written and checked, then a start with it or a reload."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from haproxy_programmer import metrics
from haproxy_programmer.listing import Listing
from haproxy_programmer.observed import Observed, Server
from haproxy_programmer.process import Process
from haproxy_programmer.render import generation, render
from haproxy_programmer.render.snippets import explained
from haproxy_programmer.rotation import Rotation
from haproxy_programmer.site import Place, Site
from haproxy_programmer.state_file import state_file
from vipbus.runtime.files import write_atomically


class RefusedError(Exception):
    """The file is refused, and the last good one stays: why."""


class Structure:
    """The file of one HAProxy; ``rotation`` and ``listing`` are of what else it reads."""

    def __init__(self, process: Process, place: Place, rotation: Rotation, listing: Listing) -> None:
        self.before_reload: Callable[[], Awaitable[None]] | None = None
        """Called while the worker of before still answers for all of it."""
        self._process = process
        self._place = place
        self._rotation = rotation
        self._listing = listing

    async def start(self, site: Site, seen: Mapping[tuple[str, str], Server]) -> None:
        """Start HAProxy and wait until it answers; ``seen`` is what is known of its servers.

        Raises:
            RefusedError: HAProxy does not take the file, or the directory takes none.
            UnwritableError: a value cannot be written.
            NotStartedError: it cannot be run, or ended.
            SilentError: it does not answer.
            UnreadableError: what it answers is not understood.
        """
        await self._write(site, seen)
        self._process.start()
        metrics.STARTS.add(1)
        await self._process.answers(generation(site))

    async def reload(self, site: Site, seen: Mapping[tuple[str, str], Server]) -> Observed:
        """Have a new worker begin, and give what it says; where that fails the one of before goes on.

        Raises:
            RefusedError: HAProxy does not take the file, or the directory takes none.
            UnwritableError: a value cannot be written.
            NotStartedError: HAProxy ended, or cannot be run for the check.
            NotReloadedError: the master went on with the worker of before.
            SilentError: the new worker does not answer.
            UnreadableError: what it answers is not understood.
        """
        await self._write(site, seen)
        reloads = await self._process.reloads()
        # the worker of before is asked before it knows of another, and what it says is read meanwhile
        counting = asyncio.ensure_future(self._count())
        try:
            await self._process.reload(reloads)
            return await self._process.answers(generation(site))
        finally:
            await counting

    async def _count(self) -> None:
        if self.before_reload is not None:
            await self.before_reload()

    async def _write(self, site: Site, seen: Mapping[tuple[str, str], Server]) -> None:
        text = render(site, self._place)
        await self._rotation.look(site)
        try:
            self._listing.write(site)
            self._place.new.write_text(text)
            # HAProxy reads the one while the other is written
            problem, states = await asyncio.gather(
                self._process.check(), asyncio.to_thread(state_file, site, seen)
            )
            if problem:
                raise RefusedError(explained(problem, text))
            write_atomically(self._place.state, states.encode())
            self._place.new.replace(self._place.config)
        except OSError as error:
            raise RefusedError(f"{self._place.directory} takes no files: {error.strerror}") from None
