"""A kernel that fails where a test says, fake or real inside; and two revisions 200 operations apart."""

from __future__ import annotations

import errno
from collections.abc import Collection, Sequence
from typing import Final, Literal

from ipvs_programmer.kernel import Failure, Kernel, UnsureError
from ipvs_programmer.plan import Operation
from ipvs_programmer.table import Counts, DestinationKey, Key, Pool
from tests.unit.ipvs_programmer.stepped import ADDRESS
from tests.unit.ipvs_programmer.tables import destination, healthy, key, pool, service, table
from tests.unit.ipvs_programmer.world import real_server, virtual_server
from vipbus.contracts import RealServer, VirtualServer

Trouble = int | Literal["the send is lost", "the answer never comes"]
"""An errno for one operation, which is not done while the rest of its batch is; or what becomes of a batch:
cut off from the operation on, or done without an answer."""

SHORTAGES: Final = (errno.EBUSY, errno.ENOBUFS, errno.ENOMEM)
PASSING: Final[tuple[Trouble, ...]] = (
    errno.EEXIST,
    *SHORTAGES,
    "the send is lost",
    "the answer never comes",
)
TROUBLES: Final[tuple[Trouble, ...]] = (*PASSING, errno.ENOENT, errno.EINVAL)


def name(trouble: Trouble) -> str:
    """Name it in a test's id."""
    return errno.errorcode[trouble] if isinstance(trouble, int) else trouble.replace(" ", "-")


class FaultyKernel:
    """Fails at operations by their number, counted from the first since `arm`."""

    def __init__(self, inner: Kernel) -> None:
        self.inner = inner
        self.always: dict[str, int] = {}
        """Operations, in words, that fail with an errno whenever they are asked for."""
        self.touched: set[Key] = set()
        """The services that were to be changed."""
        self.bared: set[Key] = set()
        """The pools out of `arm` that once had nobody to send to."""
        self._faults: dict[int, Trouble] = {}
        self._count = 0
        self._watched: frozenset[Key] = frozenset()

    def arm(self, faults: dict[int, Trouble], watched: Collection[Key] = ()) -> None:
        """Fail at these operations from now on, and watch over these pools, step by step."""
        self._faults = dict(faults)
        self._count = 0
        self._watched = frozenset(watched)
        self.touched.clear()
        self.bared.clear()

    @property
    def spent(self) -> bool:
        """Whether every fault has struck."""
        return not self._faults

    def read(self, keys: Collection[Key] | None = None) -> dict[Key, Pool]:
        """Read; see `Kernel.read`."""
        return self.inner.read(keys)

    def counts(self, keys: Collection[Key]) -> dict[Key, dict[DestinationKey, Counts]]:
        """Count; see `Kernel.counts`."""
        return self.inner.counts(keys)

    def apply(self, operations: Sequence[Operation]) -> tuple[Failure, ...]:
        """Change, and fail where it was said; see `Kernel.apply`."""
        self.touched.update(operation.key for operation in operations)
        failures: list[Failure] = []
        run: list[Operation] = []
        answered = True
        for operation in operations:
            trouble = self._faults.pop(self._count, None)
            if self.always and trouble is None:
                trouble = self.always.get(str(operation))
            self._count += 1
            if trouble == "the send is lost":
                self._forward(run)
                raise UnsureError("the IPVS table: the kernel did not answer")
            if trouble == "the answer never comes":
                answered = False
            elif isinstance(trouble, int):
                failures += self._forward(run)
                run = []
                failures.append(Failure(operation, trouble))
                continue
            run.append(operation)
        failures += self._forward(run)
        if not answered:
            raise UnsureError("the IPVS table: the receive buffer was too small for the answers (ENOBUFS)")
        return tuple(failures)

    def _forward(self, operations: Sequence[Operation]) -> list[Failure]:
        if not self._watched:
            return list(self.inner.apply(operations)) if operations else []
        failures: list[Failure] = []
        for operation in operations:
            failures += self.inner.apply([operation])
            watched = operation.key in self._watched
            if watched and not healthy(self.inner.read([operation.key]).get(operation.key)):
                self.bared.add(operation.key)
        return failures


# ---- two revisions, and services of others

Entities = list[VirtualServer | RealServer]
FOREIGN: Final = table(
    pool(service(key("10.9.9.9", 443)), destination("10.9.9.21", weight=7)),
    pool(service(key(ADDRESS, 9999), "wlc"), destination("10.9.9.22"), destination("10.9.9.23", weight=0)),
)


def _pool(port: int, weights: dict[int, int], **settings: object) -> Entities:
    server = virtual_server(ADDRESS, port, **settings)
    return [
        server,
        *(real_server(f"10.9.1.{number}", of=server, weight=weight) for number, weight in weights.items()),
    ]


def _flat(pools: list[Entities]) -> Entities:
    return [entity for each in pools for entity in each]


BEFORE: Final[Entities] = _flat(
    [
        *(_pool(port, {1: 1, 2: 1, 3: 1, 4: 2, 5: 0}) for port in range(1000, 1010)),
        *(_pool(port, {1: 1, 2: 1}) for port in range(2000, 2008)),
        *(_pool(port, {1: 1}) for port in range(3000, 3002)),
        *(_pool(port, {1: 0, 2: 1}) for port in range(4000, 4002)),
    ]
)
AFTER: Final[Entities] = _flat(
    [
        # another scheduler, 3 come, 1 changes, 1 rises, 1 falls, 2 go
        *(_pool(port, {3: 2, 4: 0, 5: 4, 6: 1, 7: 1, 8: 1}, scheduler="wrr") for port in range(1000, 1010)),
        # replaced as a whole
        *(_pool(port, {3: 1, 4: 1}) for port in range(2000, 2008)),
        # the only one with a weight changes
        *(_pool(port, {1: 1, 2: 0}) for port in range(4000, 4002)),
        # new
        *(_pool(port, {1: 1, 2: 1, 3: 1, 4: 1, 5: 1}) for port in range(5000, 5012)),
    ]
)
"""10 x 9, 8 x 4, 2 x 2, 12 x 6 and 2 services that go: 200 operations."""
COUNT: Final = 200
