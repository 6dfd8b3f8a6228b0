"""Which routers' programmers may be asked, and how they answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from vipbus.bus import Bus, BusAwayError, RefusedError, conditions
from vipbus.bus.packed import LARGEST, pack, unpack
from vipbus.contracts import CONFIG, Head, command_subject, name_token, per_router
from vipbus.contracts.limits import UNREADABLE

SERVICE = "ipvs-programmer"
T = TypeVar("T", bound=msgspec.Struct)


class NoRouterError(Exception):
    """There is no router to ask; the text says why."""


async def routers(bus: Bus, only: str | None) -> list[str]:
    """Name the routers to ask: those that are configured, and those whose programmer answers.

    Raises:
        BusAwayError: the bus does not answer.
        NoRouterError: there is none, or not that one.
    """
    heads, answering = await asyncio.gather(bus.read(CONFIG, "*.head"), conditions(bus, SERVICE))
    names = {
        name_token(entry.value.router): entry.value.router
        for entry in heads.values()
        if isinstance(entry.value, Head)
    }
    names |= {name_token(each.router): each.router for each in answering if each.router}
    return chosen(names.values(), only)


def chosen(names: Iterable[str], only: str | None) -> list[str]:
    """Take one router, or all.

    Raises:
        NoRouterError: there is none, or not that one.
    """
    known = sorted(names)
    if not known:
        raise BusAwayError("no router is on this bus: start `vipbus run -f FILE`")
    if only is None:
        return known
    found = [name for name in known if name_token(name) == name_token(only)]
    if not found:
        raise NoRouterError(f"no router {only[:80]!r}; there is {', '.join(known[:8])}")
    return found


async def ask(
    bus: Bus,
    router: str,
    verb: str,
    asked: msgspec.Struct,
    kind: type[T],
    *,
    within: float,
    service: str = SERVICE,
) -> T | str:
    """Ask one router; return its answer, or in words why there is none."""
    subject = command_subject(service, per_router(verb, name_token(router)))
    body = pack(msgspec.json.encode(asked))
    if len(body) > LARGEST:
        return (
            f"{router}: the question has {len(body)} bytes even when packed, and the bus takes {LARGEST}: "
            "ask about less"
        )
    try:
        answer = await bus.request(subject, body, timeout=within)
        return msgspec.json.decode(unpack(answer), type=kind)
    except BusAwayError:
        return f"{router}: {service} does not answer; is `vipbus run` running on {router}?"
    except RefusedError as error:
        return f"{router}: {error}"
    except (*UNREADABLE, ValueError) as error:
        return f"{router}: {service} answered what is not understood: {error}"
