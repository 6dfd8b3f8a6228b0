"""``operate``: an operator's word about real servers, kept in the bucket ``operator``.

It holds for every router of the bus, so one config-service says it for all. The configuration is read when it
is asked for: the real server of a router that this process knows nothing of is found too.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Final

import msgspec

from config_service.configured import Held, Pair, configured
from config_service.named import chosen, nearest, real_server, words
from vipbus.bus import Bus, BusAwayError, RefusedError, StaleWriteError
from vipbus.contracts import OPERATOR, Operate, OperateResult, OperatorState
from vipbus.contracts.limits import UNREADABLE
from vipbus.telemetry import trace

log = logging.getLogger(__name__)

DONE: Final = {"drain": "drained", "disable": "disabled", None: "enabled"}
_TRIES: Final = 5
"""Writes of one key while others write it too; the last word holds."""


class UnknownError(Exception):
    """Nothing on the bus has the name; the message says what there is."""


async def operate(bus: Bus, asked: Operate, held: Held) -> OperateResult:
    """Do it; a name that nobody has is refused. ``held`` is what is known here of the configuration."""
    keys: list[str] = []
    try:
        pairs = await _find(bus, asked, held)
        with trace.span(
            "publish vipbus.state.operator",
            kind="producer",
            attributes={
                "messaging.system": "nats",
                "messaging.destination.template": "vipbus.state.operator",
                "vipbus.operator": asked.by,
                "vipbus.cause": f"{DONE[asked.state]} by {asked.by}",
            },
        ) as span:
            for virtual, real in pairs:
                await _write(bus, (virtual, real), asked, span.context)
                keys.append(f"{virtual}.{real}")
    except UnknownError as error:
        return OperateResult(accepted=False, reason=str(error))
    except (BusAwayError, RefusedError) as error:
        return OperateResult(
            accepted=False,
            keys=tuple(keys),
            reason=f"the bus took {len(keys)} of what was asked for ({error}); ask again",
        )
    return OperateResult(accepted=True, keys=tuple(keys))


async def _find(bus: Bus, asked: Operate, held: Held) -> list[Pair]:
    """Find what is meant in the configuration of every router; enabling also finds what has left it.

    Raises:
        UnknownError: nothing has the name.
    """
    token = real_server(asked.real_server)
    there = await configured(bus, held)
    having = there.having(token, asked.real_server) if token else set()
    if token and asked.state is None:
        said = await bus.read(OPERATOR, f"*.{token}")
        having |= {(each.value.virtual_server, each.value.real_server) for each in said.values()}
    if pairs := chosen(having, asked.virtual_server):
        return pairs
    if (
        having
        and asked.virtual_server is not None
        and (pairs := chosen(having, asked.virtual_server, there.group(asked.virtual_server)))
    ):
        return pairs
    if having:
        pools = ", ".join(words(virtual) for virtual, _ in sorted(having)[:3])
        raise UnknownError(f"{asked.virtual_server} has no real server {words(token)}; {pools} has it")
    # a comparison with tens of thousands of names takes a while
    near = await asyncio.to_thread(lambda: nearest(asked.real_server, there.every()))
    raise UnknownError(f"there is no real server {asked.real_server}; {near}")


async def _write(bus: Bus, pair: Pair, asked: Operate, context: trace.TraceContext) -> None:
    """Write one document, or the marker that says there is none.

    Raises:
        BusAwayError: the bus gave no answer.
        RefusedError: the server said no, or others keep writing the key.
    """
    virtual, real = pair
    key = f"{virtual}.{real}"
    for _ in range(_TRIES):
        revision, body = await bus.revision(OPERATOR, key)
        if _is_said(asked, revision, body):
            return
        now = datetime.now(UTC)
        said = None
        if asked.state is not None:
            said = OperatorState(
                virtual_server=virtual,
                real_server=real,
                state=asked.state,
                by=asked.by,
                since=now,
                why=asked.why,
            )
        try:
            await bus.write(
                OPERATOR,
                key,
                msgspec.json.encode(said) if said is not None else None,
                last=revision,
                trace=context,
                time=now,
            )
        except StaleWriteError:
            continue
        log.info(
            "%s of %s %s by %s%s",
            words(real),
            words(virtual),
            DONE[asked.state],
            asked.by,
            f": {asked.why}" if asked.why else "",
        )
        return
    raise RefusedError(f"others are writing {key} at the same time")


def _is_said(asked: Operate, revision: int, body: bytes | None) -> bool:
    """Say whether this stands there already.

    What was never written is not the same as what was deleted: a bus that lost its store has nothing, and a
    programmer keeps what it knew until it sees the marker.
    """
    if asked.state is None or body is None:
        return asked.state is None and body is None and revision > 0
    try:
        found = msgspec.json.decode(body, type=OperatorState)
    except UNREADABLE:
        return False
    return (found.state, found.by, found.why) == (asked.state, asked.by, asked.why)
