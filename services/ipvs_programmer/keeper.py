"""Keeps the kernel's table: what is desired, what is believed to be there, and the write between the two.

Believed is what the last write and the last read left. A change is planned against it, so that no dump stands
between a verdict and the kernel; a refusal that shows it to be wrong leads to a new read and a new plan.
"""

from __future__ import annotations

import errno
import time
from collections import Counter
from collections.abc import Collection, Sequence

import msgspec

from ipvs_programmer.kernel import Failure, Kernel, UnsureError
from ipvs_programmer.metrics import OPERATIONS, WRITE_SECONDS
from ipvs_programmer.plan import AddDestination, AddService, EditDestination, Operation, plan, takes_out
from ipvs_programmer.table import DestinationKey, Key, Pool
from vipbus.telemetry.trace import TraceContext, span

_TRIES = 3
"""Plans a write may take; a table that still differs then has a second writer: the drift check is next."""


class Written(msgspec.Struct, frozen=True):
    """What a write did."""

    operations: tuple[Operation, ...]
    """Those that the kernel accepted, in their order."""
    trace: TraceContext
    """Of the kernel write, or of its cause when there was nothing to write."""

    @property
    def keys(self) -> set[Key]:
        """The services it touched."""
        return {operation.key for operation in self.operations}


class Keeper:
    """Every method is one short step without a wait."""

    def __init__(self, kernel: Kernel) -> None:
        self.desired: dict[Key, Pool] = {}
        """Every service that should be there; one of ours that is missing here is removed."""
        self.believed: dict[Key, Pool] = {}
        self.errors: dict[Key, str] = {}
        """Services that are not what they should be, and why, in words."""
        self._kernel = kernel

    def want(self, keys: Collection[Key], desired: dict[Key, Pool]) -> None:
        """Say what these services should be from now on; those that ``desired`` lacks should not be."""
        for key in keys:
            pool = desired.get(key)
            if pool is None:
                self.desired.pop(key, None)
            else:
                self.desired[key] = pool

    def read(self, keys: Collection[Key]) -> None:
        """Read services and believe what is there.

        Raises:
            KernelError: they cannot be read.
        """
        found = self._kernel.read(keys)
        for key in keys:
            self._believe(key, found.get(key))

    def look(self, keys: Sequence[Key]) -> list[Key]:
        """Read services; return those that someone else changed.

        One that is not what it should be for a reason that is known counts if it is not what it was either.

        Raises:
            KernelError: they cannot be read.
        """
        before = [self.believed.get(key) for key in keys]
        self.read(keys)
        return [
            key
            for key, was in zip(keys, before, strict=True)
            if (now := self.believed.get(key)) != self.desired.get(key)
            and (key not in self.errors or now != was)
        ]

    def forget(self) -> None:
        """Believe nothing: the kernel is out of reach."""
        self.believed.clear()
        self.errors.clear()

    def write(self, keys: Collection[Key], parent: TraceContext) -> Written:
        """Make these services what they should be, as far as the kernel agrees; see `errors` for the rest.

        Raises:
            KernelError: the table cannot be written or read at all.
        """
        done: list[Operation] = []
        trace = parent
        pending = keys
        for _ in range(_TRIES):
            for key in pending:
                self.errors.pop(key, None)
            with span("plan", parent=parent) as planning:
                operations = self._plan(pending)
                planning.attributes["vipbus.operations"] = len(operations)
            if not operations:
                break
            with span("kernel write", parent=parent) as writing:
                writing.attributes["vipbus.operations"] = len(operations)
                trace = writing.context
                accepted, failures = self._apply(operations)
                if failures:
                    writing.error = str(failures[0])
            done += accepted
            pending = self._settle(operations, failures)
            if not pending:
                break
        return Written(tuple(done), trace)

    def _plan(self, keys: Collection[Key]) -> tuple[Operation, ...]:
        desired = {key: pool for key in keys if (pool := self.desired.get(key)) is not None}
        believed = {key: pool for key in keys if (pool := self.believed.get(key)) is not None}
        return plan(desired, believed, keys if isinstance(keys, set) else set(keys))

    def _apply(self, operations: Sequence[Operation]) -> tuple[list[Operation], list[Failure]]:
        """Have a plan carried out; return what the kernel accepted, and what it refused.

        Before anything is taken out it must be known that what was to come in is there. Where it is not, and
        may be at the next try, the pool keeps what it has until then.
        """
        cut = next((place for place, each in enumerate(operations) if takes_out(each)), len(operations))
        accepted, failures = self._send(operations[:cut])
        bare = self._bare(failures)
        more, others = self._send([each for each in operations[cut:] if each.key not in bare])
        return accepted + more, failures + others

    def _bare(self, failures: Sequence[Failure]) -> set[Key]:
        """Find the pools that would have nobody to send to, though they should and may at the next try."""
        refused: dict[Key, set[DestinationKey]] = {}
        for failure in failures:
            operation = failure.operation
            if isinstance(operation, AddDestination | EditDestination):
                refused.setdefault(operation.key, set()).add(operation.destination.key)
        passing = {failure.operation.key for failure in failures if failure.belief_is_wrong}
        bare = set()
        for key in passing & refused.keys():
            wanted = {of for of, each in self.desired[key].destinations.items() if each.weight}
            if wanted and wanted <= refused[key]:
                bare.add(key)
        return bare

    def _send(self, operations: Sequence[Operation]) -> tuple[list[Operation], list[Failure]]:
        if not operations:
            return [], []
        started = time.perf_counter()
        try:
            failures = self._kernel.apply(operations)
        except UnsureError as error:
            # none is known to be done: all are read again, and what is missing is planned again
            failures = tuple(Failure(operation, errno.ENOBUFS, str(error)) for operation in operations)
        WRITE_SECONDS.observe(time.perf_counter() - started)
        failed = {id(failure.operation) for failure in failures}
        accepted = [operation for operation in operations if id(operation) not in failed]
        for result, of in (("refused", [each.operation for each in failures]), ("done", accepted)):
            for kind, count in Counter(operation.kind for operation in of).items():
                OPERATIONS.add(count, kind=kind, result=result)
        return accepted, list(failures)

    def _settle(self, operations: Sequence[Operation], failures: Sequence[Failure]) -> set[Key]:
        """Take in what a batch did; return the services that must be planned again."""
        unsettled = {failure.operation.key for failure in failures}
        for key in {operation.key for operation in operations} - unsettled:
            pool = self.desired.get(key)
            # a copy: what is believed changes with what is read, what is desired does not
            self._believe(key, Pool(pool.service, dict(pool.destinations)) if pool is not None else None)
        if not failures:
            return set()
        self.read(unsettled)
        unmade = {
            failure.operation.key
            for failure in failures
            if isinstance(failure.operation, AddService) and not failure.belief_is_wrong
        }
        # destinations of a service that could not be made say nothing of their own
        telling = [
            failure
            for failure in failures
            if not (failure.number == errno.ESRCH and failure.operation.key in unmade)
        ]
        for failure in sorted(telling, key=lambda each: each.belief_is_wrong):
            self.errors.setdefault(failure.operation.key, str(failure))
        # the others were refused for a reason that a second try does not change
        return {failure.operation.key for failure in telling if failure.belief_is_wrong}

    def _believe(self, key: Key, pool: Pool | None) -> None:
        if pool is None:
            self.believed.pop(key, None)
        else:
            self.believed[key] = pool
