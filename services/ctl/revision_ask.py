"""Asks config-service about revisions: which routers there are, what it answers, which files it is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from ctl.children import python_module
from ctl.probe_ask import FileRefusedError
from ctl.programmers import NoRouterError, chosen
from vipbus.bus import Bus, BusAwayError
from vipbus.bus.address import BusAddress
from vipbus.bus.packed import LARGEST, pack, unpack
from vipbus.contracts import CONFIG, Head, command_subject, name_token, per_router
from vipbus.contracts.config_commands import ConfigBundle, ConfigFile
from vipbus.contracts.limits import UNREADABLE
from vipbus.runtime.child import NoAnswerError, answer_of

SERVICE: Final = "config-service"
T = TypeVar("T", bound=msgspec.Struct)
R = TypeVar("R")

_BUS_WITHIN = 3.0
_FILE_WITHIN = 60.0
_ANSWER_WITHIN = 70.0
"""Seconds: more than config-service takes until it says that the bus does not take a change."""


class NotAnsweredError(Exception):
    """There is no answer; the text says why, and what to do."""


async def with_bus(address: BusAddress, work: Callable[[Bus], Awaitable[R]]) -> R:
    """Do something on the bus.

    Raises:
        BusAwayError: it is not there.
    """
    bus = Bus(address, source="vipbus-config")
    bus.start()
    try:
        await bus.usable(_BUS_WITHIN)
        return await work(bus)
    finally:
        await bus.close()


async def heads(bus: Bus, only: str | None) -> list[Head]:
    """Give the heads of the routers that are meant: all, or one.

    Raises:
        BusAwayError: the bus does not answer.
        NoRouterError: there is none, or not that one.
    """
    found = await bus.read(CONFIG, "*.head")
    by_name = {each.value.router: each.value for each in found.values() if isinstance(each.value, Head)}
    return [by_name[name] for name in chosen(by_name, only)]


async def the_head(bus: Bus, only: str | None) -> Head:
    """Give the head of the one router that is meant.

    Raises:
        BusAwayError: the bus does not answer.
        NoRouterError: there is none, or not that one, or several.
    """
    found = await heads(bus, only)
    if len(found) > 1:
        names = ", ".join(each.router for each in found[:8])
        raise NoRouterError(f"each router has revisions of its own; name one by --router: {names}")
    return found[0]


async def ask(bus: Bus, router: str, verb: str, asked: msgspec.Struct, kind: type[T]) -> T:
    """Ask a router's config-service.

    Raises:
        NotAnsweredError: there is no answer, or none that is understood.
        RefusedError: it refused, in its words.
    """
    subject = command_subject(SERVICE, per_router(verb, name_token(router)))
    body = pack(msgspec.json.encode(asked))
    if len(body) > LARGEST:
        raise NotAnsweredError(
            f"{router}: this has {len(body)} bytes even when packed, and the bus takes {LARGEST}; put the "
            "file on the router's host, in place of the one that runs, and `vipbus config reload`"
        )
    try:
        answer = await bus.request(subject, body, timeout=_ANSWER_WITHIN)
        return msgspec.json.decode(unpack(answer), type=kind)
    except BusAwayError as error:
        raise NotAnsweredError(
            f"{router}: {SERVICE} does not answer ({error}); is `vipbus run` running on {router}?"
        ) from None
    except (*UNREADABLE, ValueError) as error:
        raise NotAnsweredError(f"{router}: {SERVICE} answered what is not understood: {error}") from None


async def bundle_of(file: Path, router: str) -> ConfigBundle:
    """Read a file and all that it includes, and check it on the way, as for a router.

    Raises:
        FileRefusedError: config-service would not take it.
    """
    command = python_module("config_service", "check", "--print-bundle", "--router", router, "--", str(file))
    try:
        return msgspec.json.decode(await answer_of(command, b"", within=_FILE_WITHIN), type=ConfigBundle)
    except NoAnswerError as error:
        lines = [line for line in error.complaints.split("\n") if line.strip()]
        raise FileRefusedError(file, lines or [str(error)]) from None
    except UNREADABLE as error:
        raise FileRefusedError(file, [f"config_service answered what is not understood: {error}"]) from None


Asked = Callable[[tuple[ConfigFile, ...]], msgspec.Struct]
"""Makes the question of the files that it is about."""


async def ask_with_files(bus: Bus, head: Head, verb: str, file: Path, made: tuple[Asked, type[T]]) -> T:
    """Ask about a file: its digest first, its text only where that is needed and may be sent.

    Raises:
        FileRefusedError: config-service would not take it.
        NotAnsweredError: there is no answer, or the text may not be sent.
        RefusedError: it refused, in its words.
    """
    asked, kind = made
    bundle = await bundle_of(file, head.router)
    without = tuple(msgspec.structs.replace(each, text=None) for each in bundle.files)
    answer = await ask(bus, head.router, verb, asked(without), kind)
    if not getattr(answer, "wants_text", False):
        return answer
    if bundle.secrets:
        raise NotAnsweredError(
            f"{head.router}: {file} holds passwords, which do not cross the bus, and is not the same file on "
            "the router's host; put it there at the same path, or do this there"
        )
    return await ask(bus, head.router, verb, asked(bundle.files), kind)


async def heads_for(bus: Bus, only: str | None, file: Path) -> list[Head]:
    """Give the heads of the routers that a file is for: all for a document of a cluster, else one.

    Raises:
        BusAwayError: the bus does not answer.
        NoRouterError: there is none, or not that one, or nobody said which.
    """
    return await heads(bus, only) if file.suffix == ".toml" else [await the_head(bus, only)]
