"""Which passwords and keys are kept: those of every file, and of every revision that can come back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from config_service.keeper import Keeper
from vipbus.bus import BusAwayError, RefusedError
from vipbus.runtime.secrets import Secrets

References = frozenset[str]


class NotKeptError(Exception):
    """The state directory is not writable; the message says which, and what to do."""


class Passwords:
    """What the files of all routers name."""

    def __init__(self, state_dir: Path, files: Iterable[int]) -> None:
        self.secrets = Secrets.open(state_dir)
        self._state_dir = state_dir
        self._named: dict[int, References | None] = dict.fromkeys(files)
        """By what tells files apart; None until it is accepted: it may name any of those that are there."""

    def are_new(self, file: int, references: References) -> bool:
        """Say whether a file that was accepted before names others now."""
        return self._named[file] not in (None, references)

    def resolve(self, references: Collection[str]) -> bool:
        """Say whether all of these are kept."""
        return self.secrets.references.issuperset(references)

    async def keep(
        self, file: int, references: References, keepers: Sequence[Keeper], *, also: bool = False
    ) -> None:
        """Keep what references stand for; what a revision names that can come back stays.

        Raises:
            NotKeptError: the state directory is not writable.
        """
        if also or self.are_new(file, references):
            for keeper in keepers:
                with contextlib.suppress(BusAwayError, RefusedError):
                    await keeper.ledger.records()
        kept = [keeper.ledger.references for keeper in keepers]
        await asyncio.to_thread(self.save, file, references, kept, also=also)

    def save(
        self, file: int, references: References, kept: Iterable[References | None], *, also: bool = False
    ) -> None:
        """Write what a file's references stand for, before anyone can hear of them.

        ``kept`` is what the revisions of each router name that can come back; None where that is not known,
        and then nothing is forgotten. ``also``: they are not the file's, but said beside it.

        Raises:
            NotKeptError: the state directory is not writable.
        """
        before = self._named[file]
        if not also:
            self._named[file] = references
        elif before is not None:
            self._named[file] = before | references
        there = self.secrets.references
        known = [*self._named.values(), *kept]
        try:
            self.secrets.save(references.union(*(there if each is None else each for each in known)))
        except OSError as error:
            self._named[file] = before
            raise NotKeptError(
                f"passwords cannot be kept in {self._state_dir} ({error.strerror}); make it writable, "
                "or choose another --state-dir"
            ) from None
