"""The bus as services use it: one connection, and all that is done over it."""

from __future__ import annotations

from vipbus.bus.events import Events
from vipbus.bus.reads import Reads
from vipbus.bus.requests import Requests
from vipbus.bus.writes import Writes


class Bus(Reads, Writes, Events, Requests):
    """A connection under a name; `source` says in every message who wrote it."""
