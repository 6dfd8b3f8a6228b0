"""Finds a real server of a revision by its tokens: for the words of a verdict, and of an operator."""

from __future__ import annotations

from vipbus.contracts import RealServer
from vipbus.runtime.revision import Revision


class Members:
    """The real servers of one revision at a time, named pool by pool when the first of it is asked for.

    To name all of a large revision for one would hold the first verdict after it up.
    """

    def __init__(self) -> None:
        self._revision: Revision | None = None
        self._named: dict[str, dict[str, RealServer]] = {}

    def take(self, revision: Revision) -> None:
        """Find those of this revision from now on."""
        self._revision = revision
        self._named.clear()

    def find(self, virtual_server: str, real_server: str) -> RealServer | None:
        """Find one; None: it is not configured."""
        named = self._named.get(virtual_server)
        if named is None:
            pool = self._revision.members.get(virtual_server, ()) if self._revision is not None else ()
            named = self._named[virtual_server] = {each.id: each for each in pool}
        return named.get(real_server)
