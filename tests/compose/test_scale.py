"""Real servers come and go by their labels while clients ask: not one request fails.

The balancing is the kernel's own. Where the machine's has no IPVS, router a is in a guest that has, in the
engine's networks like any container.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import pytest

from tests.compose.guest_router import GuestRouter
from tests.compose.stack import Stack
from tests.support.waiting import eventually

RATE = 50
"""Requests a second, each on a connection of its own."""
_LINE = re.compile(r"(\d+) good, +(\d+) failed")


class Traffic:
    """A second client beside the stack's own."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._name = f"{stack.project}-traffic"
        command = ["demo.client", f"{stack.virtual_address}:80", str(RATE)]
        stack.compose("run", "--detach", "--no-deps", "--name", self._name, "client", *command)

    def lines(self) -> list[str]:
        """Give what it said, a line a second."""
        return self._stack.engine.containers.get(self._name).logs().decode().splitlines()

    def counts(self, since: int) -> tuple[int, int]:
        """Count what was answered and what failed since a line."""
        found = [_LINE.search(line) for line in self.lines()[since:]]
        return (
            sum(int(each[1]) for each in found if each),
            sum(int(each[2]) for each in found if each),
        )

    def remove(self) -> None:
        """End it."""
        self._stack.engine.containers.get(self._name).remove(force=True)


@pytest.fixture
def router(stack: Stack) -> Iterator[GuestRouter | None]:
    """Give a router with IPVS: None is that of the containers."""
    stack.settle()
    if not stack.has_ipvs() and (os.geteuid() != 0 or shutil.which("apt-get") is None):
        pytest.skip(
            "this kernel has no IPVS, and only root on Debian can boot a guest on the engine's bridges"
        )
    with nullcontext() if stack.has_ipvs() else GuestRouter(stack) as found:
        yield found
    stack.compose("up", "--detach", "--no-build", "--scale", "real-server=3")
    stack.settle()


@pytest.fixture
def traffic(stack: Stack, router: GuestRouter | None) -> Iterator[Traffic]:  # noqa: ARG001  # it comes first
    traffic = Traffic(stack)
    yield traffic
    print("\n".join(traffic.lines()))
    traffic.remove()


def _serve(traffic: Traffic, names: Callable[[], set[str]]) -> Callable[[], bool]:
    """Say whether exactly these answered in the last whole second."""

    def condition() -> bool:
        lines = traffic.lines()
        return bool(lines) and set(re.findall(r"([0-9a-f]{12}) \d+", lines[-1])) == names()

    return condition


def test_scaling_under_traffic_costs_no_request(
    stack: Stack, router: GuestRouter | None, traffic: Traffic
) -> None:
    def names() -> set[str]:
        return {
            str(each.attrs["Config"]["Hostname"])
            for each in stack.containers("real-server")
            if each.status == "running"
        }

    eventually(_serve(traffic, names), "all three serve", within=60, every=0.5)
    began = len(traffic.lines())
    for replicas in (6, 2):
        # this service alone: the container whose place the guest has must not start
        scale = ["--scale", f"real-server={replicas}", "real-server"]
        stack.compose("up", "--detach", "--no-build", "--no-recreate", "--no-deps", *scale)
        took = eventually(_serve(traffic, names), f"{replicas} serve", within=60, every=0.2)
        assert len(names()) == replicas
        print(f"{replicas} serve {took:.1f} s after compose was done")
        if router is not None:
            wanted = set(stack.addresses("real-server", "servers"))
            # who has left stays with weight 0 until the kernel has forgotten its last connection
            assert {address for address, weight in router.table().items() if weight} == wanted
    # the last second's requests have two to be answered
    end = len(traffic.lines())
    eventually(lambda: len(traffic.lines()) >= end + 3, "the client goes on", within=30)
    good, failed = traffic.counts(began)
    print(f"{good} requests answered, {failed} failed")
    assert good > 10 * RATE
    assert failed == 0, "\n".join(traffic.lines()[began:])
