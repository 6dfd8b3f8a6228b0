"""pyroute2 in two threads at once, as at the start of an agent with a virtual MAC."""

from __future__ import annotations

import subprocess
import sys

_BOTH = """
import threading
from vrrp_agent import links, writing

together, failed = threading.Barrier(2), []

def first(work):
    together.wait()
    try:
        work()
    except BaseException as error:
        failed.append(repr(error))

threads = [threading.Thread(target=first, args=(work,)) for work in (writing.load, links._message)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(failed)
"""


def test_two_threads_may_import_it_at_once() -> None:
    # a new interpreter: here it may be imported already
    done = subprocess.run([sys.executable, "-c", _BOTH], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
