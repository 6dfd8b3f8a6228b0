"""What was needed for a moment goes back to the system."""

from __future__ import annotations

import subprocess
import sys

_SCRIPT = """
from pathlib import Path
from vipbus.runtime.memory import give_back

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

# of a size that the C library takes from its heap, with one more behind them that keeps the heap's end
blocks = [bytes(2000) for _ in range(10_000)]
last = bytes(2000)
del blocks
before = resident()
give_back()
print(before - resident())
"""


def test_free_memory_in_the_middle_of_the_heap_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 10_000_000
