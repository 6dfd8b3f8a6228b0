"""How often the kernel is asked again for what it refused: soon at first, then less and less often."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence

from ipvs_programmer import loop
from ipvs_programmer.fake import FakeKernel
from ipvs_programmer.kernel import Failure
from ipvs_programmer.plan import Operation
from tests.unit.ipvs_programmer.world import Story, World, real_server, virtual_server


class TimedKernel(FakeKernel):
    """Notes when it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def apply(self, operations: Sequence[Operation]) -> tuple[Failure, ...]:
        self.times.append(time.monotonic())
        return super().apply(operations)


def test_tries_come_soon_and_grow_apart(tell: Callable[[Story], None]) -> None:
    hashed = virtual_server(instance=None, scheduler="mh")

    async def story(w: World) -> None:
        w.kernel = kernel = TimedKernel()
        kernel.schedulers.discard("mh")
        w.configure(hashed, real_server("10.9.0.21", of=hashed, checked=False))
        await w.settled()
        w.run()
        await w.until(lambda: len(kernel.times) >= 5, "it is tried again and again")
        gaps = [after - before for before, after in itertools.pairwise(kernel.times[:5])]
        assert all(gap >= loop._RETRY_SOON * 2**number for number, gap in enumerate(gaps)), gaps
        assert sum(gaps) < 2 * loop._RETRY, gaps
        kernel.schedulers.add("mh")
        await w.until(lambda: w.held() == {"TCP 10.9.0.1:80": ["10.9.0.21:80 1"]}, "and done at last")
        assert w.problems() == ""

    tell(story)
