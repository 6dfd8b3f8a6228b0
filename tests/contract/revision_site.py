"""config-service and the commands of a revision's life, on a real nats-server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from tests.contract.test_config_service import GOOD, Service
from tests.support.nats import NatsServer
from tests.support.waiting import eventually_async
from vipbus.bus import BusAwayError
from vipbus.bus.packed import pack, unpack
from vipbus.contracts import CONFIG
from vipbus.contracts.config_commands import (
    ApplyConfig,
    ChangeServer,
    ConfigDiff,
    ConfigFile,
    ConfigHistory,
    ConfigResult,
    ConfirmRevision,
    DiffConfig,
    ReadHistory,
    RollBack,
    ShownRevision,
    ShowRevision,
    text_digest,
)

A = TypeVar("A", bound=msgspec.Struct)
BY = "ann@lb1"


def weighing(weight: int) -> str:
    """Give a configuration whose first real server has this weight."""
    return GOOD.replace("weight 1\n        TCP_CHECK", f"weight {weight}\n        TCP_CHECK")


def files(text: str, name: str = "/else/where.conf") -> tuple[ConfigFile, ...]:
    """Make what is sent of a file that the host of config-service does not have."""
    return (ConfigFile(name=name, digest=text_digest(text), text=text),)


class Site(Service):
    """A config-service that is asked."""

    async def ask(self, verb: str, asked: msgspec.Struct, kind: type[A], router: str = "r1") -> A:
        """Ask; wait until it serves, and until the bus is whole again: a follow of it may be, before."""
        await self.bus.usable(30)
        subject = f"vipbus.cmd.config-service.{verb}.{router}"
        for _ in range(100):
            try:
                answer = await self.bus.request(subject, pack(msgspec.json.encode(asked)), timeout=10)
            except BusAwayError as error:
                if "nobody serves" not in str(error):
                    raise
                await asyncio.sleep(0.05)
            else:
                return msgspec.json.decode(unpack(answer), type=kind)
        raise AssertionError("the service does not serve")

    async def apply(self, text: str, *, rests_on: int | None = None, within: float = 0.0) -> ConfigResult:
        asked = ApplyConfig(files=files(text), rests_on=rests_on, confirm_within=within, by=BY, why="a test")
        return await self.ask("apply", asked, ConfigResult)

    async def diff(self, text: str) -> ConfigDiff:
        return await self.ask("diff", DiffConfig(files=files(text)), ConfigDiff)

    async def rollback(self, revision: int, *, rests_on: int | None = None) -> ConfigResult:
        return await self.ask("rollback", RollBack(revision=revision, rests_on=rests_on, by=BY), ConfigResult)

    async def confirm(self) -> ConfigResult:
        return await self.ask("confirm", ConfirmRevision(by=BY), ConfigResult)

    async def history(self) -> ConfigHistory:
        return await self.ask("history", ReadHistory(), ConfigHistory)

    async def show(self, revision: int, *, entities: bool = False) -> ShownRevision:
        return await self.ask("show", ShowRevision(revision=revision, entities=entities), ShownRevision)

    async def change_server(
        self, verb: str, real_server: str, weight: int | None = None, pool: str = "10.9.0.100:80"
    ) -> ConfigResult:
        asked = ChangeServer(
            verb=verb,  # type: ignore[arg-type]  # one of them, or a test of what is none
            virtual_server=pool,
            real_server=real_server,
            weight=weight,
            by=BY,
        )
        return await self.ask("server", asked, ConfigResult)


Story = Callable[[Site], Awaitable[None]]


def play(server: NatsServer, directory: Path, story: Story) -> None:
    """Run a story with a service that is not started yet."""

    async def whole() -> None:
        one = Site(server, directory)
        one.bus.start()
        try:
            await one.bus.usable(30)
            one.all = one.bus.follow(CONFIG)
            await eventually_async(lambda: one.all.live, "the bucket is followed")
            await story(one)
            await one.bus.close()
        finally:
            one.kill_if_running()

    asyncio.run(asyncio.wait_for(whole(), 60))
