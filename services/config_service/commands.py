"""The commands of a revision's life, as one router's config-service answers them on the bus."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, TypeVar

import msgspec

from config_service import consent
from config_service.bundle import WantsTextError
from config_service.differences import decoded, differences
from config_service.keeper import Keeper, rolled_back
from config_service.problems import ConfigError
from config_service.revise import Desired
from config_service.servers import changed_server
from vipbus.bus import BusAwayError, RefusedError, Served
from vipbus.bus.packed import LARGEST, pack, unpack
from vipbus.contracts import name_token, per_router
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
)
from vipbus.contracts.revisions import RevisionNote

Q = TypeVar("Q", bound=msgspec.Struct)
Reading = tuple[Desired, tuple[str, ...]]


class Reader(Protocol):
    """What knows the languages and keeps the passwords."""

    async def read_bundle(self, files: Sequence[ConfigFile], router: str, *, keep: bool) -> Reading:
        """Compile files for a router, with warnings; ``keep`` the passwords in them.

        Raises:
            ConfigError: they are refused.
            WantsTextError: their text must come, too.
        """

    def resolves(self, references: Collection[str]) -> bool:
        """Say whether these passwords and keys are kept."""


_LONGEST: Final = 60.0
"""Seconds that a change may wait for the bus to take it."""


class RevisionCommands:
    """Answers for one router."""

    def __init__(self, keeper: Keeper, reader: Reader) -> None:
        self._keeper = keeper
        self._reader = reader

    def serve(self, served: Served) -> None:
        """Answer from now on."""
        token = name_token(self._keeper.router)
        self._add(served, token, "diff", DiffConfig, self.diff)
        self._add(served, token, "apply", ApplyConfig, self.apply)
        self._add(served, token, "confirm", ConfirmRevision, self.confirm)
        self._add(served, token, "history", ReadHistory, self.history)
        self._add(served, token, "show", ShowRevision, self.show)
        self._add(served, token, "rollback", RollBack, self.rollback)
        self._add(served, token, "server", ChangeServer, self.server)

    def _add(
        self,
        served: Served,
        token: str,
        verb: str,
        asked: type[Q],
        answer: Callable[[Q], Awaitable[msgspec.Struct]],
    ) -> None:
        async def command(body: bytes) -> bytes:
            question = msgspec.json.decode(unpack(body) or b"{}", type=asked)
            try:
                packed = pack(msgspec.json.encode(await answer(question)))
            except (BusAwayError, RefusedError) as error:
                raise ValueError(
                    f"the bus did not take it: {error}; look at `vipbus config history`"
                ) from None
            if len(packed) > LARGEST:
                raise ValueError(f"the answer has {len(packed)} bytes even when packed: ask for less")
            return packed

        served.add(per_router(verb, token), command)

    # ---- looking

    async def history(self, asked: ReadHistory) -> ConfigHistory:
        """List the kept revisions."""
        keeper = self._keeper
        records = await keeper.ledger.records()
        notes: list[RevisionNote] = []
        number = keeper.revision
        while (record := records.get(number)) is not None and len(notes) < keeper.ledger.kept:
            notes.append(record.note)
            number = record.before
        trial = keeper.on_trial.trial
        return ConfigHistory(
            router=keeper.router,
            revision=keeper.revision,
            on_trial=trial.revision if trial is not None else 0,
            revisions=tuple(notes[: asked.most] if asked.most else notes),
        )

    async def show(self, asked: ShowRevision) -> ShownRevision:
        """Show a kept revision, and what it changed.

        Raises:
            ValueError: it is not kept.
        """
        keeper = self._keeper
        whole, revision = keeper.holding.whole(), keeper.revision
        if whole is None:
            raise ValueError(f"no revision of {keeper.router} runs whole now; look at `vipbus status`")
        then = asked.revision or revision
        bodies = await keeper.ledger.bodies_at(then, revision, whole)
        record = (await keeper.ledger.records()).get(then)
        if record is None:
            raise ValueError(f"revision {then} is not kept; look at `vipbus config history`")
        shown = ShownRevision(note=record.note, entities=decoded(bodies) if asked.entities else ())
        if not record.before and record.note.revision != 1:
            return shown
        before = await keeper.ledger.bodies_at(record.before, then, bodies) if record.before else {}
        found = differences(before, bodies)
        return msgspec.structs.replace(
            shown, changes=found.changes, left_out=found.left_out, before=record.before
        )

    async def diff(self, asked: DiffConfig) -> ConfigDiff:
        """Compare what files say with what runs, containers apart."""
        keeper = self._keeper
        empty = ConfigDiff(router=keeper.router, revision=keeper.revision, source=asked.files[0].name)
        try:
            desired, warnings = await self._reader.read_bundle(asked.files, keeper.router, keep=False)
        except WantsTextError:
            return msgspec.structs.replace(empty, wants_text=True)
        except ConfigError as error:
            return msgspec.structs.replace(empty, reason="\n".join(error.lines()))
        base = keeper.stance.base
        if base is None:
            reason = f"no revision of {keeper.router} runs whole now; look at `vipbus status`"
            if keeper.revision:
                return msgspec.structs.replace(empty, reason=reason)
        found = differences(base.bodies if base is not None else {}, desired.bodies)
        return msgspec.structs.replace(
            empty,
            revision=keeper.revision,
            added=found.added,
            changed=found.changed,
            removed=found.removed,
            changes=found.changes,
            left_out=found.left_out,
            warnings=warnings,
        )

    # ---- changing

    async def apply(self, asked: ApplyConfig) -> ConfigResult:
        """Have a configuration run."""
        keeper = self._keeper
        try:
            desired, warnings = await self._reader.read_bundle(asked.files, keeper.router, keep=True)
        except WantsTextError:
            return msgspec.structs.replace(self._refused(""), wants_text=True)
        except ConfigError as error:
            return self._refused("\n".join(error.lines()))
        until = datetime.now(UTC) + timedelta(seconds=asked.confirm_within) if asked.confirm_within else None
        desired = msgspec.structs.replace(
            desired, by=asked.by, why=asked.why, how="apply", cause="apply command", confirm_by=until
        )

        async def make(_: Keeper) -> Desired:
            return desired

        result = await self._change(make, asked.rests_on)
        return msgspec.structs.replace(result, warnings=warnings)

    async def rollback(self, asked: RollBack) -> ConfigResult:
        """Have what an operator said in a revision before run again."""

        async def make(keeper: Keeper) -> Desired:
            cause = f"rollback to revision {asked.revision}"
            desired = await rolled_back(keeper, asked.revision, cause=cause, by=asked.by, why=asked.why)
            if not self._reader.resolves(desired.references):
                raise ValueError(
                    f"the passwords of revision {asked.revision} are not kept here any more; apply a file"
                )
            return desired

        return await self._change(make, asked.rests_on, ends_trial=True)

    async def server(self, asked: ChangeServer) -> ConfigResult:
        """Add, remove or weigh a real server."""

        async def make(keeper: Keeper) -> Desired:
            return changed_server(keeper.stance.base, asked)

        return await self._change(make, None)

    async def confirm(self, asked: ConfirmRevision) -> ConfigResult:
        """Let the revision on trial stay."""
        trial = self._keeper.on_trial.trial
        if trial is None:
            return self._refused(f"no revision of {self._keeper.router} is on trial")
        if asked.revision not in (0, trial.revision):
            return self._refused(f"revision {trial.revision} is on trial, not revision {asked.revision}")
        if await self._keeper.on_trial.confirm(asked.by) is None:
            return self._refused(f"revision {trial.revision} is not on trial any more")
        record = await self._keeper.ledger.get(trial.revision)
        self._keeper.holding.record = record
        note = record.note if record is not None else None
        return msgspec.structs.replace(self._refused(""), accepted=True, note=note)

    async def _change(
        self, make: Callable[[Keeper], Awaitable[Desired]], rests_on: int | None, *, ends_trial: bool = False
    ) -> ConfigResult:
        """Make a change when its turn comes, if it still may be made then."""
        conflicting: RevisionNote | None = None

        async def consenting(keeper: Keeper) -> Desired:
            nonlocal conflicting
            head, record = keeper.head, keeper.holding.record
            note = record.note if record is not None else None
            base = (head.base or head.revision) if head is not None else 0
            if why := consent.conflict(rests_on, keeper.revision, note, base):
                conflicting = note
                raise ValueError(why)
            if not ends_trial and (why := consent.on_trial(keeper.on_trial.trial)):
                raise ValueError(why)
            return await make(keeper)

        try:
            async with asyncio.timeout(_LONGEST):
                note = await self._keeper.propose(consenting)
        except TimeoutError:
            return self._refused(
                f"the bus has not taken it within {_LONGEST:g} s; it is tried further, look at "
                "`vipbus config history`"
            )
        except ValueError as error:
            return msgspec.structs.replace(self._refused(str(error)), conflict=conflicting)
        return msgspec.structs.replace(self._refused(""), accepted=True, note=note)

    def _refused(self, reason: str) -> ConfigResult:
        return ConfigResult(
            accepted=False, router=self._keeper.router, revision=self._keeper.revision, reason=reason
        )
