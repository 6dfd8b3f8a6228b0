"""Commands: requests on ``vipbus.cmd.<service>.<verb>`` and their answers."""

from __future__ import annotations

import msgspec

from vipbus.contracts.state import Condition


class ReloadConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Ask config-service to read a router's file again and apply it whole or refuse it whole."""

    router: str | None = None
    """None: every router it serves. Said to one router's subject, it is that router all the same."""


class ReloadResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a reload: the revision that runs now, and why the file was refused if it was."""

    accepted: bool
    revisions: tuple[tuple[str, int], ...]
    reason: str = ""


class CommandContract(msgspec.Struct, frozen=True, kw_only=True):
    """One command: who serves it, what it takes (None: an empty body) and what it answers."""

    service: str
    verb: str
    request: type[msgspec.Struct] | None
    answer: type[msgspec.Struct]
    summary: str
    per_router: bool = False
    """True: the router's token follows the verb, and whoever serves that router answers."""


SERVICES: tuple[str, ...] = ("config-service", "vrrp-agent", "health-prober", "ipvs-programmer")
"""Every service, by the name under which it answers on the bus."""

COMMANDS: tuple[CommandContract, ...] = (
    *(
        CommandContract(
            service=service,
            verb="condition",
            request=None,
            answer=Condition,
            summary=f"How {service} is: ready or not, and every problem in a line of its own.",
        )
        for service in SERVICES
    ),
    CommandContract(
        service="config-service",
        verb="reload",
        request=ReloadConfig,
        answer=ReloadResult,
        summary="Read the file of every router again; each config-service of the bus answers for its own.",
    ),
    CommandContract(
        service="config-service",
        verb="reload",
        request=ReloadConfig,
        answer=ReloadResult,
        summary="Read one router's file again and apply it as a whole, or refuse it as a whole.",
        per_router=True,
    ),
)
"""Every command there is."""
