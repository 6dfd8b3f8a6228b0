"""``vipbus events``: replay what happened and follow what happens."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterable
from pathlib import Path

from ctl.exits import EXIT_NOT_DONE, EXIT_WRONG
from ctl.order import InOrder
from ctl.output import complain
from ctl.subject import pattern
from ctl.summary import cloud_event, line
from vipbus.bus import Bus, BusAwayError, NoBusError, Record, records
from vipbus.bus.address import BusAddress, find
from vipbus.runtime.ending import run_to_end

_BUS_WITHIN = 3.0
"""Seconds until the bus counts as away."""


def main(*, bus: str | None, state_dir: Path, subject: str, follow: bool, as_json: bool) -> int:
    """Print the events of a subject; return the exit status."""
    logging.getLogger().addHandler(logging.NullHandler())  # what is to be said is said here
    try:
        wanted = pattern(subject)
        address = find(bus, state_dir)
    except ValueError as error:
        return complain("events", str(error), EXIT_WRONG)
    except NoBusError as error:
        return complain("events", str(error), EXIT_NOT_DONE)
    status = run_to_end(_print(address, wanted, follow=follow, as_json=as_json))
    sys.stdout.flush()
    return status


async def _print(address: BusAddress, wanted: str, *, follow: bool, as_json: bool) -> int:
    bus = Bus(address, source="vipbus-events")
    bus.start()
    seen = 0
    told = False
    past = InOrder()
    try:
        while True:
            try:
                await bus.usable(_BUS_WITHIN)
                told = False
                async for record in records(bus, wanted, after=seen, follow=follow):
                    seen = record.sequence
                    _write(past.take(record), as_json=as_json)
                    if follow and not record.behind:
                        sys.stdout.buffer.flush()
            except BusAwayError as error:
                _write(past.rest(), as_json=as_json)
                if not follow:
                    return complain("events", str(error), EXIT_NOT_DONE)
                if bus.closed.is_set():
                    return complain("events", f"{error}; it wants no more of this client", EXIT_NOT_DONE)
                if not told:
                    told = True
                    complain("events", f"{error}; waiting for it", 0)
                await asyncio.sleep(0.1)
            else:
                _write(past.rest(), as_json=as_json)
                return 0
    finally:
        await bus.close()


def _write(found: Iterable[Record], *, as_json: bool) -> None:
    for record in found:
        text = cloud_event(record) if as_json else line(record).encode(errors="replace")
        sys.stdout.buffer.write(text + b"\n")
