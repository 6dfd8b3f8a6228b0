"""Tells the bus what HAProxy holds, and why it is not what it should be."""

from __future__ import annotations

from haproxy_programmer.causes import Causes
from haproxy_programmer.documents import Documents, pool_table, unheard
from haproxy_programmer.observed import Observed
from haproxy_programmer.site import Site
from vipbus.telemetry.trace import record


class Teller:
    """Says each pool's document, with the cause of the change that it follows from."""

    def __init__(self, documents: Documents, causes: Causes) -> None:
        self._documents = documents
        self._causes = causes

    def tell(self, site: Site, there: Observed | None, *, revision: int, error: str) -> None:
        """Say what a worker holds; None: none was heard, and what was said before stands with the error."""
        keys: set[str] = set()
        for pool in site.pools:
            cause = self._causes.text(pool.id)
            if there is not None:
                document = pool_table(pool, site, there.servers, revision=revision, cause=cause, error=error)
            else:
                document = unheard(pool, self._documents.last, revision=revision, cause=cause, error=error)
            keys.add(document.key)
            self._documents.say(document, self._causes.trace(pool.id))
        self._documents.keep_only(keys, record("sweep"))
        if there is not None or not site.pools:
            self._causes.clear()

    def gone(self) -> None:
        """Take back everything: HAProxy ends."""
        self._documents.keep_only(set(), record("stop"))
