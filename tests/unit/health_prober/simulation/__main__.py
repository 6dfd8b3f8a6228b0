"""Replay one seed with every step, or try many: ``python -m tests.unit.health_prober.simulation``."""

from __future__ import annotations

import argparse
import sys
import time

from tests.unit.health_prober.simulation.rules import BrokenRuleError
from tests.unit.health_prober.simulation.story import play


def main() -> int:
    """Return 1 where a rule does not hold."""
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="replay this one, with a trace")
    parser.add_argument("--first", type=int, default=0, help="the first of many")
    parser.add_argument("--count", type=int, default=3000, help="how many")
    options = parser.parse_args()
    if options.seed is not None:
        return 0 if _held(options.seed, trace=True) else 1
    began = time.process_time()
    seeds = range(options.first, options.first + options.count)
    failed = sum(not _held(seed, trace=False) for seed in seeds)
    print(f"{options.count} seeds, {failed} failed, {time.process_time() - began:.1f} s of processor")
    return 1 if failed else 0


def _held(seed: int, *, trace: bool) -> bool:
    try:
        play(seed, print if trace else lambda _line: None)
    except BrokenRuleError as error:
        print(f"seed {seed}: {error}", flush=True)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
