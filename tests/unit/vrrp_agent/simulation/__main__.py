"""Replay one seed with every step, or try many: ``python -m tests.unit.vrrp_agent.simulation``."""

from __future__ import annotations

import argparse
import sys
import time

from tests.unit.vrrp_agent.simulation.judge import play
from tests.unit.vrrp_agent.simulation.world import BrokenRuleError


def main() -> int:
    """Return 1 where a rule does not hold."""
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="replay this one, with a trace")
    parser.add_argument("--first", type=int, default=0, help="the first of many")
    parser.add_argument("--count", type=int, default=3000, help="how many")
    options = parser.parse_args()
    if options.seed is not None:
        try:
            play(options.seed, print)
        except BrokenRuleError as error:
            print(f"seed {options.seed}: {error}")
            return 1
        return 0
    failed, began = 0, time.process_time()
    for seed in range(options.first, options.first + options.count):
        try:
            play(seed)
        except BrokenRuleError as error:
            failed += 1
            print(f"seed {seed}: {error}", flush=True)
    print(f"{options.count} seeds, {failed} failed, {time.process_time() - began:.1f} s of processor")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
