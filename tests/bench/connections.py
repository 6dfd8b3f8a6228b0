"""What new connections, a thousand a second, notice when the active router stops or hands over."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

from tests.bench.pair import Pair, Program
from tests.bench.stalls import Stalls
from tests.bench.wire import Listener
from tests.support.vrrp import Network
from tests.support.waiting import eventually

_PORT = 8080
_EVERY = 0.001
_REPEATS = 3
"""At most; of all that met a stall the calmest run counts."""
_TOLERATED = 0.005
"""Seconds that the machine may stand still; the gap that is looked for is 10 ms."""
_BEFORE, _AFTER = 0.05, 1.0
"""Seconds around a stall of the machine that say nothing of the programs: routers may have changed roles."""
_SHARE = 0.3
"""Of the connections, at most, that may have met a stall."""
_DIRECTORY = Path(__file__).parent

Leave = Literal["stop", "handover"]
"""SIGTERM, or `vipbus handover`, which keepalived does not have."""
Span = tuple[int, int]
"""From when to when, in nanoseconds since 1970."""


@dataclass(frozen=True)
class Seen:
    """What the client saw of one stop."""

    program: Program
    leave: Leave
    interval: float
    connections: int
    """That count: the machine did not stand still when they were begun."""
    refused: int
    """Got no connection."""
    broken: int
    """Had a connection that broke: the successor knows nothing of what the other had open."""
    gap: float
    """The longest time between two connections that were made, in seconds."""
    left_out: int
    """Connections that were begun when the machine stood still, or right after."""
    left_out_failed: int
    """How many of those failed: a stall near by does not say that it was the cause, so they are told."""
    whole_gap: float
    """The longest gap of all, with nothing left out, in seconds."""


class Connection(NamedTuple):
    """A line of what `connect` wrote down: times in nanoseconds since 1970, 0 for never."""

    begun: int
    made: int
    answered: int
    error: int


def read(text: str) -> list[Connection]:
    """Read what `connect` wrote down."""
    return [Connection(*map(int, line.split())) for line in text.splitlines()]


def summarize(
    program: Program, leave: Leave, interval: float, found: Sequence[Connection], stalls: Sequence[Span]
) -> Seen:
    """Count what happened while the machine did not stand still."""
    spans = [(begin - int(_BEFORE * 1e9), end + int(_AFTER * 1e9)) for begin, end in stalls]

    def counts(moment: int) -> bool:
        return not any(begin <= moment <= end for begin, end in spans)

    counted = [each for each in found if counts(each.begun)]
    made = sorted(each.made for each in found if each.made)
    gaps = [after - before for before, after in pairwise(made) if counts(before) and counts(after)]
    return Seen(
        program=program,
        leave=leave,
        interval=interval,
        connections=len(counted),
        refused=sum(1 for each in counted if not each.made),
        broken=sum(1 for each in counted if each.made and not each.answered),
        gap=max(gaps, default=0) / 1e9,
        left_out=len(found) - len(counted),
        left_out_failed=sum(1 for each in found if not counts(each.begun) and not each.answered),
        whole_gap=max((after - before for before, after in pairwise(made)), default=0) / 1e9,
    )


def leave_under_load(program: Program, leave: Leave, interval: float, connections: int) -> Seen:
    """Have the active router leave in the middle of so many new connections."""
    runs: list[tuple[bool, Seen]] = []
    with Stalls() as stalls:
        for _ in range(_REPEATS + 1):
            began = time.time_ns()
            found, left = _leave_under_load(program, leave, interval, connections)
            spans = stalls.spans(began, _TOLERATED)
            calm = not any(begin < left + 1e9 and end > left - 1e8 for begin, end in spans)
            seen = summarize(program, leave, interval, found, spans)
            runs.append((calm, seen))
            if calm and seen.left_out <= _SHARE * connections:
                break
    return max(runs, key=lambda run: (run[0], run[1].connections))[1]


def _leave_under_load(
    program: Program, leave: Leave, interval: float, connections: int
) -> tuple[list[Connection], int]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        network = stack.enter_context(Network(directory, "tcp"))
        client = network.router("client")
        listener = stack.enter_context(Listener(network.switch))
        pair = Pair(program, network, listener, interval)
        stack.callback(pair.close)
        for router in (pair.active, pair.backup):
            log = directory / f"{router.name}.server"
            router.namespace.spawn([sys.executable, str(_DIRECTORY / "server.py"), str(_PORT)], log)
            eventually(log.read_bytes, "the server serves")
        if leave == "handover":
            pair.active.start_bus()
        pair.start()
        output, log = directory / "connections", directory / "client.log"
        process = client.namespace.spawn(
            [
                *(sys.executable, str(_DIRECTORY / "connect.py"), pair.address),
                *(str(_PORT), str(_EVERY), str(connections), str(output)),
            ],
            log,
        )
        eventually(log.read_bytes, "the client connects")
        time.sleep(connections * _EVERY * 0.3)  # the load itself, not a wait for something
        left = pair.stop() if leave == "stop" else pair.hand_over()
        pair.advertised(left)
        assert process.wait(connections * _EVERY + 30) == 0, log.read_text()
        return read(output.read_text()), left
