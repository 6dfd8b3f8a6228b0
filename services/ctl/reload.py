"""``vipbus config reload``: have the running config-service read its file again."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

import msgspec

from vipbus.bus import Bus, BusAwayError, NoBusError, RefusedError
from vipbus.bus.address import BusAddress, find
from vipbus.contracts import ReloadConfig, ReloadResult, command_subject

EXIT_REFUSED = 2
EXIT_NO_BUS = 3
_BUS_WITHIN = 3.0
_ANSWER_WITHIN = 60.0
"""Seconds for the reading and publishing of the largest configuration."""


def main(*, bus: str | None, state_dir: Path, router: str | None) -> int:
    """Reload; print what became of it; return 0, 2 when the file was refused, 3 when nobody answered."""
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        result = asyncio.run(_request(find(bus, state_dir), ReloadConfig(router=router)))
    except RefusedError as error:
        return _complain(str(error), EXIT_REFUSED)
    except (NoBusError, BusAwayError) as error:
        return _complain(str(error), EXIT_NO_BUS)
    except msgspec.MsgspecError as error:
        return _complain(f"config-service answered what is not understood: {error}", EXIT_NO_BUS)
    runs = ", ".join(f"{name} runs revision {revision}" for name, revision in result.revisions)
    if not result.accepted:
        sys.stderr.write(f"{result.reason}\n")
        return _complain(f"refused; {runs or 'nothing runs'}", EXIT_REFUSED)
    sys.stdout.write(f"accepted; {runs}\n")
    return 0


async def _request(address: BusAddress, command: ReloadConfig) -> ReloadResult:
    bus = Bus(address, source="vipbus-config")
    bus.start()
    try:
        await bus.usable(_BUS_WITHIN)
        body = await bus.request(
            command_subject("config-service", "reload"), msgspec.json.encode(command), timeout=_ANSWER_WITHIN
        )
        return msgspec.json.decode(body, type=ReloadResult)
    finally:
        await bus.close()


def _complain(text: str, status: int) -> int:
    sys.stderr.write(f"vipbus config reload: {text}\n")
    return status
