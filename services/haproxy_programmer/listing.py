"""Brings lists that changed into the running worker, without a reload."""

from __future__ import annotations

import logging

from haproxy_programmer import runtime
from haproxy_programmer.lists import DIRECTORY, contents, prepare, replaced, text, version
from haproxy_programmer.site import Place, Site
from vipbus.runtime.files import write_atomically

log = logging.getLogger(__name__)


class Listing:
    """What a worker has of the lists; ``place`` is where its files and its socket are."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._pid = 0
        self._held: dict[str, tuple[str, ...]] = {}
        self._written: dict[str, tuple[str, ...]] = {}

    def write(self, site: Site) -> None:
        """Write the files that a worker will read.

        Raises:
            OSError: they cannot be written.
            UnwritableError: a line cannot be written.
        """
        (self._place.directory / DIRECTORY).mkdir(mode=0o700, exist_ok=True)
        wanted = contents(site)
        for name, lines in wanted.items():
            write_atomically(self._place.directory / name, text(lines).encode())
        self._written = wanted

    async def bring(self, site: Site, pid: int, *, current: bool = True) -> str:
        """Bring what changed to the worker of this process id; return what is wrong, empty when nothing is.

        ``current``: the worker has the site's structure; one of before may not have every list yet.

        Raises:
            SilentError: there is no answer; what was done is not known.
            UnwritableError: a line cannot be written.
        """
        if pid != self._pid:
            self._pid, self._held, self._written = pid, self._written, {}
        for name, lines in contents(site).items():
            if self._held.get(name) == lines:
                continue
            said = await runtime.ask(self._place.socket, prepare(name))
            number = version(said)
            if number is None and not current:
                continue
            if number is None:
                return f"{name}: {' '.join(said.split())[:200]}"
            refused = await runtime.apply(self._place.socket, replaced(name, number, lines))
            if refused:
                return f"{name}: {refused[0]}"
            self._held[name] = lines
            log.info("list %s has %d lines", name, len(lines))
        return ""
