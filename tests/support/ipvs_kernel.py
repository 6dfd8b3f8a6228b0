"""A real kernel's IPVS table for one test, and the interface of its sync daemons."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator

import pytest

from ipvs_programmer.fake import FakeKernel
from ipvs_programmer.ipvs import IpvsKernel
from ipvs_programmer.kernel import Kernel, NoIpvsError, NotPermittedError

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

SYNC_INTERFACE = "lab0"

both = [pytest.param("fake"), pytest.param("real", marks=pytest.mark.ipvs)]
"""Parameters of a fixture that calls `kernel_of`."""


def kernel_of(kind: str) -> Iterator[Kernel]:
    """Give the fake, or a real kernel's table in a network namespace that ends with the test."""
    if kind == "fake":
        fake = FakeKernel()
        fake.interfaces.add(SYNC_INTERFACE)
        yield fake
    else:
        yield from real_kernel()


def real_kernel() -> Iterator[Kernel]:
    """Give a kernel's table in a network namespace that ends with the test."""
    required = os.environ.get("VIPBUS_LAB_GUEST") == "1"
    with open("/proc/self/ns/net") as home:  # noqa: PTH123  # the descriptor is the way back
        if _libc.unshare(_CLONE_NEWNET) != 0:
            assert not required, os.strerror(ctypes.get_errno())
            pytest.skip("no right to make a network namespace: run as root")
        # without a route at all the kernel takes no destination for a unicast address
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        kernel = IpvsKernel()
        try:
            try:
                kernel.read()
            except (NoIpvsError, NotPermittedError) as error:
                if required:
                    raise
                pytest.skip(str(error))
            yield kernel
        finally:
            kernel.close()
            _libc.setns(home.fileno(), _CLONE_NEWNET)


def add_sync_interface() -> None:
    """Add the interface on which sync daemons run, to this thread's network namespace."""
    for command in (
        ("link", "add", SYNC_INTERFACE, "type", "dummy"),
        ("address", "add", "10.9.9.1/24", "dev", SYNC_INTERFACE),
        ("address", "add", "fd00:9::1/64", "dev", SYNC_INTERFACE, "nodad"),
        ("link", "set", SYNC_INTERFACE, "up", "multicast", "on"),
    ):
        subprocess.run(["ip", *command], check=True)
