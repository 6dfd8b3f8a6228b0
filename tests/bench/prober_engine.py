"""The prober's engine alone, with checks of one kind at one rate; what it counted is written on SIGUSR1.

``python prober_engine.py KIND COUNT REPLICA REPLICAS INTERVAL PORT OUTPUT`` checks that replica's share of
COUNT addresses, each every INTERVAL seconds. The output is one JSON object (`Counted`).
"""

from __future__ import annotations

import itertools
import math
import signal
import sys
from pathlib import Path

import msgspec

from health_prober.engine import Engine, Orders, Outcome, raise_descriptor_limit
from health_prober.metrics import PROBE_LATENESS, ROUNDS_SKIPPED
from health_prober.sharing import leader
from vipbus.contracts import Check, HttpCheck, TcpCheck, VerdictName

TIMEOUT = 1.0
BOUNDS = (*(step / 10_000 for step in range(1, 500)), 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Of lateness, in seconds: finer than an operator needs."""


class Counted(msgspec.Struct, frozen=True):
    """What an engine did since it began."""

    up: int
    """Checks whose last verdict it is."""
    skipped: float
    """Rounds."""
    lateness: list[int]
    """How many attempts fell in each of `BOUNDS`, and beyond the last."""


def address(number: int) -> str:
    """Give one of the targets' addresses, on loopback."""
    return f"127.{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def share(count: int, replica: int, replicas: int) -> list[int]:
    """Give the numbers of the targets that one of several replicas checks, as rendezvous hashing has it."""
    members = [f"health-prober-{number}" for number in range(replicas)]
    return [number for number in range(count) if leader(members, address(number)) == members[replica]]


def quantile(counts: list[int], share: float) -> float:
    """Give the lateness in seconds that this share (0 to 1) of the attempts did not exceed."""
    wanted = share * sum(counts)
    for bound, seen in zip((*BOUNDS, math.inf), itertools.accumulate(counts), strict=True):
        if seen >= wanted:
            return bound
    return math.inf


def main(kind: str, targets: list[int], interval: float, port: int, output: Path) -> None:
    """Check until killed."""
    PROBE_LATENESS.bounds = BOUNDS
    check = {"tcp": TcpCheck, "http": HttpCheck}[kind]
    checks = [
        check(address=address(number), port=port, interval=interval, timeout=TIMEOUT) for number in targets
    ]
    verdicts: dict[Check, VerdictName] = {}

    def learn(outcomes: list[Outcome]) -> None:
        verdicts.update((outcome.check, outcome.decision.verdict) for outcome in outcomes)

    engine = Engine(
        limit=raise_descriptor_limit(),
        on_outcomes=learn,
        on_trouble=lambda text: print(text, flush=True),
        on_crash=lambda error: print(f"crashed: {error!r}", flush=True),
    )

    def write(*_: object) -> None:
        lateness = PROBE_LATENESS.distributions.get(())
        counted = Counted(
            up=sum(verdict == "up" for verdict in verdicts.copy().values()),
            skipped=ROUNDS_SKIPPED.value(),
            lateness=list(lateness.counts) if lateness else [0] * (len(BOUNDS) + 1),
        )
        whole = output.with_suffix(".part")
        whole.write_bytes(msgspec.json.encode(counted))
        whole.rename(output)

    signal.signal(signal.SIGUSR1, write)
    write()  # from now on it can be asked
    engine.start()
    engine.assign(Orders(1, dict.fromkeys(checks, None)))
    while True:
        signal.pause()


if __name__ == "__main__":
    kind, *numbers = sys.argv[1:]
    count, replica, replicas, interval, port, output = numbers
    targets = share(int(count), int(replica), int(replicas))
    main(kind, targets, float(interval), int(port), Path(output))
