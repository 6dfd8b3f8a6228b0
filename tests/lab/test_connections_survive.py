"""Established connections survive whatever is done to the table around them. Counted by long downloads."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.lab.declare import PORT
from tests.lab.download import Download, downloads
from tests.lab.lab import Lab
from tests.lab.router import Vipbus
from tests.support.waiting import eventually

pytestmark = pytest.mark.ipvs

S1, S2 = "10.9.0.21:80", "10.9.0.22:80"
_COUNT = 9
"""Downloads at once: three from each real server."""


@pytest.fixture
def r1(lab: Lab) -> Iterator[Vipbus]:
    """Give the active router; its configuration is as it was when the test is over."""
    router = lab.vipbus("r1")
    before = router.configuration.read_text()
    yield router
    if router.configuration.read_text() != before:
        router.configuration.write_text(before)
        assert router.ask("config", "reload").returncode == 0
        eventually(lambda: min(weights(lab, router).values()) > 0, "all serve again", within=30)


@pytest.fixture
def running(lab: Lab) -> Iterator[list[Download]]:
    """Give downloads from every real server."""
    with downloads(lab.client.namespace, lab.address, PORT, _COUNT) as begun:
        assert {each.server for each in begun} == set(lab.declaration.servers)
        yield begun


def weights(lab: Lab, router: Vipbus) -> dict[str, int]:
    """Give the weights in the kernel."""
    return router.table()[f"{lab.address}:{PORT}"].destinations


def rewrite(router: Vipbus, pattern: str, by: str) -> None:
    """Change the file once, and have it read."""
    text, count = re.subn(pattern, by, router.configuration.read_text(), count=1, flags=re.DOTALL)
    assert count == 1, pattern
    router.configuration.write_text(text)
    router.reload()


def assert_all_survive(begun: list[Download]) -> None:
    """Every one of them goes on, and what came is what was sent."""
    for each in begun:
        each.goes_on()
    assert all(each.finish() for each in begun)


def test_a_weight_changes_by_file(lab: Lab, r1: Vipbus, running: list[Download]) -> None:
    rewrite(r1, r"(real_server 10\.9\.0\.21 80 \{\s+weight) 1", r"\1 5")
    eventually(lambda: weights(lab, r1)[S1] == 5, "the weight is in the kernel", within=30)
    assert_all_survive(running)


def test_a_server_leaves_by_file(lab: Lab, r1: Vipbus, running: list[Download]) -> None:
    rewrite(r1, r"    real_server 10\.9\.0\.22 80 \{.*?\n    \}\n", "")
    eventually(lambda: weights(lab, r1)[S2] == 0, "the real server drains", within=30)
    assert_all_survive(running)


def test_servers_are_drained(lab: Lab, r1: Vipbus, running: list[Download]) -> None:
    """Of the drained one itself too: what is established goes on to its own end."""
    done = r1.ask("drain", S2, "--by", "ann", "--wait", "20")
    assert done.returncode == 0, done.stdout + done.stderr
    assert weights(lab, r1)[S2] == 0
    with downloads(lab.client.namespace, lab.address, PORT, 4) as new:
        assert {each.server for each in new} == {"s1", "s3"}
        assert_all_survive(running + new)
    assert r1.ask("enable", S2, "--by", "ann", "--wait", "20").returncode == 0


def test_the_programmer_is_killed(lab: Lab, r1: Vipbus, running: list[Download]) -> None:
    before = weights(lab, r1)
    killed = r1.kill("ipvs-programmer")
    for each in running:
        each.goes_on(2)
    assert weights(lab, r1) == before
    eventually(lambda: r1.pid("ipvs-programmer") not in (None, killed), "it runs again", within=30)
    eventually(r1.ready, "and is ready", within=30, every=0.2)
    assert weights(lab, r1) == before
    assert_all_survive(running)


def test_the_same_file_is_read_again(r1: Vipbus, running: list[Download]) -> None:
    logged = r1.log.stat().st_size
    r1.reload()
    eventually(lambda: b" says nothing new" in r1.log.read_bytes()[logged:], "the file was read", within=30)
    assert_all_survive(running)


def test_another_virtual_server_comes_and_goes_by_file(lab: Lab, r1: Vipbus, running: list[Download]) -> None:
    before = r1.configuration.read_text()
    more = "lb_kind DR\n protocol TCP\n real_server 10.9.0.21 8080 {\n weight 1\n }\n"
    r1.configuration.write_text(f"{before}\nvirtual_server {lab.address} 8080 {{\n{more}}}\n")
    r1.reload()
    eventually(lambda: f"{lab.address}:8080" in r1.table(), "it is in the table", within=30)
    for each in running:
        each.goes_on(2)
    r1.configuration.write_text(before)
    r1.reload()
    eventually(lambda: f"{lab.address}:8080" not in r1.table(), "it has left", within=30)
    assert_all_survive(running)
