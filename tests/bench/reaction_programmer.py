"""ipvs-programmer as it is, with a kernel that only notes when it was asked for what.

``python reaction_programmer.py OUTPUT`` and ipvs-programmer's own options. A line of the output is one
destination that was taken away: when (nanoseconds on the monotonic clock), and its address.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ipvs_programmer.fake import FakeKernel
from ipvs_programmer.kernel import Failure
from ipvs_programmer.loop import work
from ipvs_programmer.options import parse
from ipvs_programmer.plan import DeleteDestination, Operation
from vipbus.runtime.life import run


class NotingKernel(FakeKernel):
    """Where the real one would send to netlink, this one looks at the clock."""

    def __init__(self, output: Path) -> None:
        super().__init__()
        self._output = output.open("a", buffering=1)

    def apply(self, operations: Sequence[Operation]) -> tuple[Failure, ...]:
        """Note, then do."""
        now = time.monotonic_ns()
        for operation in operations:
            if isinstance(operation, DeleteDestination):
                self._output.write(f"{now} {operation.destination.address}\n")
        return super().apply(operations)


class NoAddresses:
    """The virtual servers here belong to no instance, so nobody asks where the addresses are."""

    present: frozenset[str] = frozenset()

    def start(self, on_change: Callable[[], None]) -> None:
        """Nothing ever changes."""

    def close(self) -> None:
        """Nothing is open."""


def main() -> int:
    """Run until killed."""
    kernel = NotingKernel(Path(sys.argv[1]))
    settings, options = parse(sys.argv[2:])
    return run(
        "ipvs-programmer",
        settings,
        lambda life: work(life, options, kernel=kernel, addresses=NoAddresses()),
        waits_for=("a configuration", "the first write"),
    )


if __name__ == "__main__":
    sys.exit(main())
