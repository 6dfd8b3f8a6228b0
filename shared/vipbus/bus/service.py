"""A service on the bus: found by ``$SRV.PING``, asked for its condition, given its commands.

The NATS micro-service protocol (ADR-32): names, discovery and statistics come from the client library.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from nats.micro import add_service
from nats.micro.request import Request
from nats.micro.service import EndpointConfig, ServiceConfig

from vipbus import __version__
from vipbus.bus.connection import Bus
from vipbus.contracts import Condition, command_subject

log = logging.getLogger(__name__)

Command = Callable[[bytes], Awaitable[bytes]]
"""Takes a request's body and returns the answer's; ValueError is answered as an error, in its words."""


class _Stats(msgspec.Struct, frozen=True):
    class _Endpoint(msgspec.Struct, frozen=True):
        name: str = ""
        data: Condition | None = None

    endpoints: tuple[_Endpoint, ...] = ()


def serve(
    bus: Bus,
    name: str,
    *,
    condition: Callable[[], Condition],
    metadata: Mapping[str, str],
    commands: Mapping[str, Command] | None = None,
) -> None:
    """Serve on the bus from now on, whenever it is there."""
    registered = False

    async def register() -> None:
        nonlocal registered
        if registered:
            return  # the client library subscribes again by itself
        registered = True
        service = await add_service(
            bus.client(),
            ServiceConfig(
                name=name,
                version=__version__,
                metadata=dict(metadata),
                stats_handler=lambda _stats: msgspec.to_builtins(condition()),
            ),
        )

        async def answer_condition(request: Request) -> None:
            await request.respond(msgspec.json.encode(condition()))

        await service.add_endpoint(
            EndpointConfig(
                name="condition",
                subject=command_subject(name, "condition"),
                handler=answer_condition,
            )
        )
        for verb, command in (commands or {}).items():
            await service.add_endpoint(
                EndpointConfig(name=verb, subject=command_subject(name, verb), handler=_handler(command))
            )

    bus.when_ready(register)


def _handler(command: Command) -> Callable[[Request], Awaitable[None]]:
    async def handle(request: Request) -> None:
        try:
            answer = await command(request.data)
        except (ValueError, msgspec.MsgspecError) as error:
            await request.respond_error("400", str(error))
            return
        await request.respond(answer)

    return handle


async def conditions(bus: Bus, *, quiet: float = 0.3, longest: float = 2.0) -> list[Condition]:
    """Ask every service that is alive for its condition."""
    found: list[Condition] = []
    for body in await bus.request_many("$SRV.STATS", quiet=quiet, longest=longest):
        try:
            stats: Any = msgspec.json.decode(body, type=_Stats)
        except msgspec.MsgspecError as error:
            log.debug("a service that is not ours answered: %s", error)
            continue
        found += [e.data for e in stats.endpoints if e.name == "condition" and e.data is not None]
    return found
