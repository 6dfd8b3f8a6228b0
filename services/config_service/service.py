"""The service: reads each router's file at the start, on SIGHUP and on command; a keeper publishes it."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from config_service import metrics
from config_service.bundle import configuration_of
from config_service.commands import Reading, RevisionCommands
from config_service.docker_labels.service import DockerLabels
from config_service.keeper import Keeper
from config_service.ledger import Ledger
from config_service.operate import operate
from config_service.passwords import NotKeptError, Passwords
from config_service.problems import ConfigError, Problem, file_name
from config_service.revise import Desired, desire
from config_service.settling import until_settled
from config_service.sources import Source, desired_of, ties_of
from config_service.watch import Watch
from vipbus.bus import Entry
from vipbus.contracts import (
    ConfigOutline,
    ConfigRefused,
    Operate,
    ReloadConfig,
    ReloadResult,
    name_token,
    per_router,
)
from vipbus.contracts.config_commands import ConfigFile
from vipbus.contracts.revisions import REVISIONS_KEPT
from vipbus.runtime.life import FatalError, Life
from vipbus.runtime.settings import default_router
from vipbus.telemetry import trace

log = logging.getLogger(__name__)

WAITS_FOR: Final = ("the bus", "a configuration")
_SERVICE: Final = "config-service"


class ConfigService:
    """Serves the configurations of one or more routers."""

    def __init__(
        self,
        life: Life,
        sources: Sequence[Source],
        *,
        docker: str | None = None,
        revisions_kept: int = REVISIONS_KEPT,
        watch: bool = False,
    ) -> None:
        self._life = life
        self._revisions_kept = revisions_kept
        # `docker` is an engine's address, where its labels are followed
        self._docker = DockerLabels(docker, life.readiness, self._keepers, self._end_by) if docker else None
        self._sources = sources
        self._watch = Watch(sources, self._read) if watch else None
        self._passwords = Passwords(life.settings.state_dir, map(id, sources))
        self._reading = asyncio.Lock()
        self._fault: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reloads: set[asyncio.Task[None]] = set()
        self._served = life.serve(commands={"reload": self._command})
        self._served.add("operate", self._operate, shared=True)
        named = [name_token(one.router) for one in sources if one.router]
        if twice := {name for name in named if named.count(name) > 1}:
            raise FatalError(f"router {min(twice)} is given two files; give each router one --file")
        for one in sources:
            if one.router:
                one.keeper = self._keeper(one.router)
        life.readiness.revisions_from(
            lambda: {keeper.router: keeper.revision for keeper in self._keepers() if keeper.revision}
        )

    async def run(self) -> None:
        """Serve until the life is stopping."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._on_hangup)
        self._life.bus.when_ready(self._bus_is_there)
        await self._read(self._sources, "start")
        if self._docker is not None:
            self._docker.start()
        if self._watch is not None:
            watching = asyncio.get_running_loop().create_task(self._watch.run())
            watching.add_done_callback(self._keeper_ended)
            self._reloads.add(watching)
        ends: tuple[asyncio.Future[Any], ...] = (
            asyncio.ensure_future(self._life.stopping.wait()),
            self._fault,
        )
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if self._fault.done():
            self._fault.result()
        if self._docker is not None:
            self._docker.stop()
        for task in self._reloads:
            task.cancel()
        for keeper in self._keepers():
            await keeper.close()

    # ---- what is told from outside

    def _on_hangup(self) -> None:
        task = asyncio.get_running_loop().create_task(self._read(self._sources, "SIGHUP"))
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _command(self, body: bytes) -> bytes:
        asked = msgspec.json.decode(body, type=ReloadConfig) if body else ReloadConfig()
        return msgspec.json.encode(await self.reload(asked.router, asked.by))

    async def _operate(self, body: bytes) -> bytes:
        asked = msgspec.json.decode(body, type=Operate)
        return msgspec.json.encode(await operate(self._life.bus, asked, self._held()))

    async def reload(self, router: str | None, by: str = "") -> ReloadResult:
        """Read a router's file again, or all of them, and wait until the bus holds what they say.

        Raises:
            ValueError: the router is not served here.
        """
        sources = [one for one in self._sources if router is None or self._name(one) == router]
        if not sources:
            served = ", ".join(self._name(one) or file_name(one.path) for one in self._sources)
            raise ValueError(f"router {router!r} is not served here; there is {served}")
        await self._read(sources, "reload command", by)
        reasons = [one.refusal for one in sources if one.refusal]
        keepers = [one.keeper for one in sources if one.keeper is not None]
        reasons += await until_settled(self._life.bus, keepers)
        return ReloadResult(
            accepted=not reasons,
            revisions=tuple((keeper.router, keeper.revision) for keeper in keepers),
            reason="\n".join(reasons),
            warnings=tuple(text for one in sources for text in one.warnings),
        )

    # ---- reading

    async def _read(self, sources: Sequence[Source], cause: str, by: str = "") -> None:
        """Read files and take each whole or refuse it whole."""
        async with self._reading:
            before = ties_of(self._sources)
            for one in sources:
                try:
                    desired = await asyncio.to_thread(
                        desired_of,
                        one,
                        cause,
                        self._passwords.secrets,
                        empty_pools=self._docker is not None,
                    )
                    desired = msgspec.structs.replace(desired, by=by or f"{_SERVICE}@{default_router()}")
                    keeper = self._keeper_of(one, desired)
                    await self._save_passwords(one, desired.references)
                    keeper.want(desired)
                except ConfigError as error:
                    await self._refuse(one, error)
                else:
                    one.refusal, one.suspects = "", ()
                    one.warnings = desired.warnings
                    self._advise()
                    self._life.readiness.problem(f"config {file_name(one.path)}", "")
                    metrics.RELOADS.add(router=desired.router, result="accepted")
            for text in ties_of(self._sources):
                if text not in before:
                    log.warning("%s", text)

    async def read_bundle(self, files: Sequence[ConfigFile], router: str, *, keep: bool) -> Reading:
        """Compile files that came with a command (`commands.Reader`).

        Raises:
            ConfigError: they are refused.
            WantsTextError: their text must come, too.
        """
        one = next(each for each in self._sources if self._name(each) == router)
        async with self._reading:
            found = await asyncio.to_thread(
                configuration_of,
                files,
                router,
                self._passwords.secrets,
                one.config_id,
                empty_pools=self._docker is not None,
            )
            if keep:
                await self._save_passwords(one, found.references, also=True)
            desired = await asyncio.to_thread(desire, found, "command")
        return desired, tuple(f"{each.file}:{each.line}: {each.text}" for each in found.warnings)

    def resolves(self, references: Collection[str]) -> bool:
        """Say whether these passwords and keys are kept."""
        return self._passwords.resolve(references)

    async def _save_passwords(self, one: Source, references: frozenset[str], *, also: bool = False) -> None:
        """Keep what references stand for; those of a revision that can come back stay.

        Raises:
            ConfigError: the state directory is not writable.
        """
        try:
            await self._passwords.keep(id(one), references, self._keepers(), also=also)
        except NotKeptError as error:
            raise _refused(one, str(error)) from None

    async def _refuse(self, one: Source, error: ConfigError) -> None:
        if error.reason == one.refusal:
            log.warning("%s", error.reason)  # readiness logs only what is new
        one.refusal = error.reason
        one.suspects = tuple(dict.fromkeys(Path(each.file) for each in error.problems))
        self._life.readiness.problem(f"config {file_name(one.path)}", error.reason)
        for line in error.lines(10)[1:]:
            log.warning("%s", line)
        name = self._name(one) or default_router()
        metrics.RELOADS.add(router=name, result="refused")
        if one.keeper is not None:
            one.keeper.refused(file_name(one.path), error.reason)
        else:
            event = ConfigRefused(
                router=name, source=file_name(one.path), reason=error.reason, running_revision=0
            )
            await self._life.bus.publish(event, trace.record("refuse configuration", error=error.reason))

    def _name(self, one: Source) -> str | None:
        return one.keeper.router if one.keeper is not None else one.router

    def _keeper_of(self, one: Source, desired: Desired) -> Keeper:
        """Find or make the keeper of a file's router.

        Raises:
            ConfigError: the file names another router than before, or one that another file is for.
        """
        if one.keeper is None:
            if name_token(desired.router) in {name_token(keeper.router) for keeper in self._keepers()}:
                raise _refused(
                    one, f"router {desired.router} has another file already; name each by ROUTER=FILE"
                )
            one.keeper = self._keeper(desired.router)
        elif one.keeper.router != desired.router:
            raise _refused(
                one,
                f"router_id is {desired.router} now and was {one.keeper.router}; restart config-service to "
                "rename a router",
            )
        return one.keeper

    # ---- keepers

    def _held(self) -> dict[str, Mapping[str, Entry[ConfigOutline]]]:
        """Give what is known of routers as the bus has it now, by token."""
        return {
            name_token(keeper.router): keeper.holding.entries
            for keeper in self._keepers()
            if keeper.holding.live
        }

    def _keeper(self, router: str) -> Keeper:
        keeper = Keeper(
            self._life.bus,
            self._life.readiness,
            router,
            on_look=self._note_configurations,
            awaits_overlay=self._docker is not None,
            ledger=Ledger(self._life.bus, router, kept=self._revisions_kept),
        )
        if self._docker is not None:
            self._docker.lay(keeper)
        keeper.task.add_done_callback(self._keeper_ended)

        async def reload(body: bytes) -> bytes:
            asked = msgspec.json.decode(body, type=ReloadConfig) if body else ReloadConfig()
            return msgspec.json.encode(await self.reload(router, asked.by))

        self._served.add(per_router("reload", name_token(router)), reload)
        RevisionCommands(keeper, self).serve(self._served)
        return keeper

    def _keepers(self) -> list[Keeper]:
        return [one.keeper for one in self._sources if one.keeper is not None]

    def _keeper_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._end_by(fault)

    def _end_by(self, fault: BaseException) -> None:
        if not self._fault.done():
            self._fault.set_exception(fault)

    async def _bus_is_there(self) -> None:
        self._life.readiness.done("the bus")

    def _note_configurations(self) -> None:
        if all(one.keeper is not None and one.keeper.revision for one in self._sources):
            self._life.readiness.done("a configuration")
        self._advise()

    def _advise(self) -> None:
        runs = [text for keeper in self._keepers() for text in keeper.advice]
        self._life.readiness.advise((*runs, *(text for each in self._sources for text in each.warnings)))


def _refused(one: Source, text: str) -> ConfigError:
    return ConfigError([Problem(file_name(one.path), 1, text)])
