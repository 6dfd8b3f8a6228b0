"""The only place that imports nats: connect, follow a bucket, write by revision, publish, serve requests."""

from vipbus.bus.address import BusAddress, NoBusError
from vipbus.bus.bus import Bus
from vipbus.bus.errors import BusAwayError, BusError, RefusedError, StaleWriteError
from vipbus.bus.follow import Entry, Follow
from vipbus.bus.records import Record, records
from vipbus.bus.service import Command, Served, conditions, serve
from vipbus.bus.writer import StateWriter

__all__ = [
    "Bus",
    "BusAddress",
    "BusAwayError",
    "BusError",
    "Command",
    "Entry",
    "Follow",
    "NoBusError",
    "Record",
    "RefusedError",
    "Served",
    "StaleWriteError",
    "StateWriter",
    "conditions",
    "records",
    "serve",
]
