"""The service: reads each router's file at the start, on SIGHUP and on command; a keeper publishes it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from config_service import metrics
from config_service.cluster import Side, ties
from config_service.docker_labels.service import DockerLabels
from config_service.keepalived.compile import Configuration
from config_service.keeper import Keeper
from config_service.load import load_encoded
from config_service.operate import operate
from config_service.problems import ConfigError, Problem, file_name
from config_service.revise import Desired, desire
from config_service.unchanged import Known
from vipbus.bus import BusAwayError
from vipbus.contracts import (
    ConfigRefused,
    Operate,
    ReloadConfig,
    ReloadResult,
    VrrpInstance,
    name_token,
    per_router,
)
from vipbus.runtime.life import FatalError, Life
from vipbus.runtime.secrets import Secrets
from vipbus.runtime.settings import default_router
from vipbus.telemetry import trace

log = logging.getLogger(__name__)

WAITS_FOR: Final = ("the bus", "a configuration")
_LONGEST_RELOAD: Final = 60.0
"""Seconds that a reload command may wait for the bus to take a revision."""
_LOOK: Final = 0.5
"""Seconds between two looks at whether the bus takes writes at all."""


class Source(msgspec.Struct):
    """One file, and the router it is for."""

    path: Path
    router: str | None
    """The name given by option; None: what the file says at its first good reading."""
    config_id: str | None = None
    """What conditions are compared with; None: the host's name."""
    keeper: Keeper | None = None
    refusal: str = ""
    """Why the file was refused when it was last read; empty when it was accepted."""
    references: frozenset[str] | None = None
    """Of the passwords and keys in it; None until it is accepted for the first time."""
    warnings: tuple[str, ...] = ()
    """Of the file that was accepted last."""
    known: Known = msgspec.field(default_factory=Known)
    accepted: Configuration | None = None
    """As it was read last; of its virtual servers perhaps a part alone."""


def source(option: str, router: str | None, config_id: str | None = None) -> Source:
    """Read ``[ROUTER=]FILE``; a path with a slash before its ``=`` is a path.

    The conditions of a router's own file are about that router, unless ``config_id`` says otherwise.
    """
    name, equals, rest = option.partition("=")
    if equals and name and "/" not in name:
        return Source(Path(rest), name, name if config_id is None else config_id)
    return Source(Path(option), router, config_id)


class ConfigService:
    """Serves the configurations of one or more routers."""

    def __init__(self, life: Life, sources: Sequence[Source], *, docker: str | None = None) -> None:
        self._life = life
        # `docker` is an engine's address, where its labels are followed
        self._docker = DockerLabels(docker, life.readiness, self._keepers, self._end_by) if docker else None
        self._sources = sources
        self._secrets = Secrets.open(life.settings.state_dir)
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
        ends: tuple[asyncio.Future[Any], ...] = (
            asyncio.ensure_future(self._life.stopping.wait()),
            self._fault,
        )
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if self._fault.done():
            self._fault.result()
        if self._docker is not None:
            self._docker.stop()
        for keeper in self._keepers():
            await keeper.close()

    # ---- what is told from outside

    def _on_hangup(self) -> None:
        task = asyncio.get_running_loop().create_task(self._read(self._sources, "SIGHUP"))
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _command(self, body: bytes) -> bytes:
        asked = msgspec.json.decode(body, type=ReloadConfig) if body else ReloadConfig()
        return msgspec.json.encode(await self.reload(asked.router))

    async def _operate(self, body: bytes) -> bytes:
        asked = msgspec.json.decode(body, type=Operate)
        return msgspec.json.encode(await operate(self._life.bus, asked))

    async def reload(self, router: str | None) -> ReloadResult:
        """Read a router's file again, or all of them, and wait until the bus holds what they say.

        Raises:
            ValueError: the router is not served here.
        """
        sources = [one for one in self._sources if router is None or self._name(one) == router]
        if not sources:
            served = ", ".join(self._name(one) or file_name(one.path) for one in self._sources)
            raise ValueError(f"router {router!r} is not served here; there is {served}")
        await self._read(sources, "reload command")
        reasons = [one.refusal for one in sources if one.refusal]
        keepers = [one.keeper for one in sources if one.keeper is not None]
        try:
            async with asyncio.timeout(_LONGEST_RELOAD):
                for keeper in keepers:
                    await self._until_settled(keeper)
        except TimeoutError:
            reasons.append(f"the bus has not taken it within {_LONGEST_RELOAD:g} s; it is tried further")
        except BusAwayError as error:
            reasons.append(f"the bus takes no writes: {error}; it is tried further")
        return ReloadResult(
            accepted=not reasons,
            revisions=tuple((keeper.router, keeper.revision) for keeper in keepers),
            reason="\n".join(reasons),
            warnings=tuple(text for one in sources for text in one.warnings),
        )

    async def _until_settled(self, keeper: Keeper) -> None:
        """Wait until the bus holds what a router's file says.

        Raises:
            BusAwayError: it takes no writes, and will not before someone sees to it.
        """
        while not keeper.settled.is_set():
            if self._life.bus.not_taken:
                raise BusAwayError(self._life.bus.not_taken)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(keeper.settled.wait(), _LOOK)

    # ---- reading

    async def _read(self, sources: Sequence[Source], cause: str) -> None:
        """Read files and take each whole or refuse it whole."""
        async with self._reading:
            before = _ties(self._sources)
            for one in sources:
                try:
                    desired, references = await asyncio.to_thread(
                        _desired, one, cause, self._secrets, empty_pools=self._docker is not None
                    )
                    keeper = self._keeper_of(one, desired)
                    await asyncio.to_thread(self._save_secrets, one, references)
                    keeper.want(desired)
                except ConfigError as error:
                    await self._refuse(one, error)
                else:
                    one.refusal = ""
                    one.warnings = desired.warnings
                    self._life.readiness.advise(
                        tuple(text for each in self._sources for text in each.warnings)
                    )
                    self._life.readiness.problem(f"config {file_name(one.path)}", "")
                    metrics.RELOADS.add(router=desired.router, result="accepted")
            for text in _ties(self._sources):
                if text not in before:
                    log.warning("%s", text)

    def _save_secrets(self, one: Source, references: frozenset[str]) -> None:
        """Write what a file's references stand for, before anyone can hear of them.

        Raises:
            ConfigError: the state directory is not writable.
        """
        before, one.references = one.references, references
        # the file of a router that was not accepted yet may name any of those that are there
        known = [
            self._secrets.references if each.references is None else each.references for each in self._sources
        ]
        try:
            self._secrets.save(frozenset().union(*known))
        except OSError as error:
            one.references = before
            raise _refused(
                one,
                f"passwords cannot be kept in {self._life.settings.state_dir} ({error.strerror}); make it "
                "writable, or choose another --state-dir",
            ) from None

    async def _refuse(self, one: Source, error: ConfigError) -> None:
        if error.reason == one.refusal:
            log.warning("%s", error.reason)  # readiness logs only what is new
        one.refusal = error.reason
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

    def _keeper(self, router: str) -> Keeper:
        keeper = Keeper(
            self._life.bus,
            self._life.readiness,
            router,
            on_look=self._note_configurations,
            awaits_overlay=self._docker is not None,
        )
        if self._docker is not None:
            self._docker.lay(keeper)
        keeper.task.add_done_callback(self._keeper_ended)

        async def reload(_body: bytes) -> bytes:
            return msgspec.json.encode(await self.reload(router))

        self._served.add(per_router("reload", name_token(router)), reload)
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


def _desired(
    one: Source, cause: str, secrets: Secrets, *, empty_pools: bool
) -> tuple[Desired, frozenset[str]]:
    configuration, bodies = load_encoded(
        one.path, one.router, secrets, one.known, one.config_id, empty_pools=empty_pools
    )
    one.accepted = configuration
    return desire(configuration, cause, bodies), configuration.references


def _ties(sources: Sequence[Source]) -> list[str]:
    """Say which routers of those that are served here have one priority, each at its line."""
    found = {one.accepted.router: one.accepted for one in sources if one.accepted is not None}
    sides = [
        Side(router, [each for each in one.entities if isinstance(each, VrrpInstance)])
        for router, one in found.items()
    ]
    texts = []
    for tie in ties(sides):
        place = found[tie.router].where(tie.instance, ("priority",))
        texts.append(f"{place.file}:{place.line}: {place.word}: {tie.text}")
    return texts


def _refused(one: Source, text: str) -> ConfigError:
    return ConfigError([Problem(file_name(one.path), 1, text)])
