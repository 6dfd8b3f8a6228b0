"""A service on the bus: found by ``$SRV.PING``, asked for its condition, given its commands.

The NATS micro-service protocol (ADR-32): names, discovery and statistics come from the client library.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from nats.errors import MaxPayloadError
from nats.micro import add_service
from nats.micro.request import Request
from nats.micro.service import EndpointConfig, Service, ServiceConfig

from vipbus import __version__
from vipbus.bus.bus import Bus
from vipbus.contracts import Condition, command_subject
from vipbus.contracts.limits import UNREADABLE

log = logging.getLogger(__name__)

Command = Callable[[bytes], Awaitable[bytes]]
"""Takes a request's body and returns the answer's; ValueError is answered as an error, in its words."""


class _Stats(msgspec.Struct, frozen=True):
    class _Endpoint(msgspec.Struct, frozen=True):
        name: str = ""
        data: Condition | None = None

    endpoints: tuple[_Endpoint, ...] = ()


class Served:
    """A service on the bus; made by `serve`."""

    def __init__(
        self, bus: Bus, name: str, *, condition: Callable[[], Condition], metadata: Mapping[str, str]
    ) -> None:
        self._bus = bus
        self._name = name
        self._condition = condition
        self._metadata = dict(metadata)
        self._service: Service | None = None
        self._waiting: dict[str, Command] = {}
        self._shared: set[str] = set()
        self._registering = asyncio.Lock()

    def add(self, verb: str, command: Command, *, shared: bool = False) -> None:
        """Serve one more command from now on, whenever the bus is there.

        Every process that serves a verb is given each request: several config-services share a bus, and a
        queue group would reach any one of them. ``shared``: that is wanted, and one process does it for all.
        """
        self._waiting[verb] = command
        if shared:
            self._shared.add(verb)
        self._bus.when_ready(self.register)

    async def register(self) -> None:
        """Tell the bus of what it does not know yet; the client library subscribes again by itself."""
        async with self._registering:
            if self._service is None:
                self._service = await self._make()
            for verb, command in list(self._waiting.items()):
                await self._service.add_endpoint(
                    EndpointConfig(
                        name=verb.replace(".", "-"),
                        subject=command_subject(self._name, verb),
                        handler=_handler(command),
                        queue_group=self._name if verb in self._shared else self._service.id,
                    )
                )
                del self._waiting[verb]

    async def _make(self) -> Service:
        service = await add_service(
            self._bus.client(),
            ServiceConfig(
                name=self._name,
                version=__version__,
                metadata=self._metadata,
                stats_handler=lambda _stats: msgspec.to_builtins(self._condition()),
            ),
        )

        async def answer_condition(request: Request) -> None:
            await request.respond(msgspec.json.encode(self._condition()))

        await service.add_endpoint(
            EndpointConfig(
                name="condition",
                subject=command_subject(self._name, "condition"),
                handler=answer_condition,
            )
        )
        return service


def serve(
    bus: Bus,
    name: str,
    *,
    condition: Callable[[], Condition],
    metadata: Mapping[str, str],
    commands: Mapping[str, Command] | None = None,
) -> Served:
    """Serve on the bus from now on, whenever it is there; more commands may be added later."""
    served = Served(bus, name, condition=condition, metadata=metadata)
    bus.when_ready(served.register)
    for verb, command in (commands or {}).items():
        served.add(verb, command)
    return served


def _handler(command: Command) -> Callable[[Request], Awaitable[None]]:
    async def handle(request: Request) -> None:
        try:
            answer = await command(request.data)
        except (ValueError, *UNREADABLE) as error:
            await request.respond_error("400", str(error))
            return
        try:
            await request.respond(answer)
        except MaxPayloadError:
            text = f"the answer is too large for the bus ({len(answer)} bytes): ask for less"
            await request.respond_error("413", text)

    return handle


async def conditions(
    bus: Bus, service: str | None = None, *, quiet: float = 0.3, longest: float = 2.0
) -> list[Condition]:
    """Ask every service that is alive for its condition, or every process of one service.

    Raises:
        BusAwayError: the bus is away.
    """
    found: list[Condition] = []
    subject = f"$SRV.STATS.{service}" if service else "$SRV.STATS"
    for body in await bus.request_many(subject, quiet=quiet, longest=longest):
        try:
            stats: Any = msgspec.json.decode(body, type=_Stats)
        except UNREADABLE as error:
            log.debug("a service that is not ours answered: %s", error)
            continue
        found += [e.data for e in stats.endpoints if e.name == "condition" and e.data is not None]
    return found
