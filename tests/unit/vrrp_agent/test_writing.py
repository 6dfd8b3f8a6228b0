"""pyroute2: who needs it, and two threads at once, as at the start of an agent with a virtual MAC."""

from __future__ import annotations

import subprocess
import sys

import msgspec

from vipbus.contracts import StaticAddress, VirtualAddress, VrrpConfiguration, VrrpInstance, VrrpSettings
from vrrp_agent import writing

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

NOTHING = VrrpConfiguration(router="r1", settings=VrrpSettings(router="r1"))
ADDRESS = VirtualAddress(address="10.9.0.1", prefix=24, dev="lo")


def test_two_threads_may_import_it_at_once() -> None:
    # a new interpreter: here it may be imported already
    done = subprocess.run([sys.executable, "-c", _BOTH], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_router_that_puts_nothing_anywhere_needs_none() -> None:
    assert not writing.needed(NOTHING)


def test_an_instance_and_whatever_is_static_need_it() -> None:
    instance = VrrpInstance(
        router="r1", name="VI_1", interface="lo", virtual_router_id=7, virtual_ipaddress=(ADDRESS,)
    )
    assert writing.needed(msgspec.structs.replace(NOTHING, instances=(instance,)))
    settings = VrrpSettings(router="r1", static_addresses=(StaticAddress(address=ADDRESS),))
    assert writing.needed(msgspec.structs.replace(NOTHING, settings=settings))


def test_it_is_not_imported_before_it_is_needed() -> None:
    found = "any(name.startswith('pyroute2') for name in sys.modules)"
    script = f"import sys\nimport vrrp_agent.service\nassert not {found}"
    subprocess.run([sys.executable, "-c", script], timeout=60, check=True)
