"""The lab's fixtures: one network of two vipbus routers that many tests share, and evidence of failures."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Generator, Iterator

import pytest

from tests.lab.declare import Declaration, Instance, RouterSpec
from tests.lab.guest import direct
from tests.lab.lab import Lab

TOOLS = ("ip", "ipvsadm", "keepalived", "tcpdump", "tshark")
_ADVERT_INT = 3.0
"""Seconds. A killed agent must speak again before its peer stops waiting, and an emulated kernel on a busy
machine was seen to take 4.5 s to start one; at 1 s the peer waits 3.6 s, at 3 s it waits 10.8 s."""
_failed = pytest.StashKey[bool]()


def why_not() -> str:
    """Say why lab tests cannot run here; empty when they can."""
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"needs {', '.join(missing)}: run `make packages`"
    reason = direct.why_not()
    return f"needs IPVS ({reason}): run `make test-lab`" if reason else ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this machine cannot run; in the run that is made for these tests nothing is skipped."""
    ours = [
        item for item in items if item.get_closest_marker("ipvs") and "tests/lab/" in item.path.as_posix()
    ]
    if ours and (reason := why_not()):
        if os.environ.get("VIPBUS_LAB_GUEST") == "1":
            raise pytest.UsageError(reason)
        for item in ours:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach what the shared lab looked like when a test failed."""
    report = yield
    if report.failed and call.when == "call":
        item.stash[_failed] = True
        lab = getattr(item, "funcargs", {}).get("lab")
        if isinstance(lab, Lab):
            report.sections.append(("lab", lab.evidence(re.sub(r"[^\w-]+", "-", item.name))))
    return report


class _Shared:
    """A lab that is made at the first use and made anew after a failure."""

    def __init__(self) -> None:
        self._lab: Lab | None = None

    def get(self) -> Lab:
        if self._lab is None:
            declaration = Declaration(
                routers=(RouterSpec("r1", 150), RouterSpec("r2", 100)),
                instances=(Instance(advert_int=_ADVERT_INT),),
            )
            self._lab = Lab(declaration).__enter__()
            self._lab.start_client()
        return self._lab

    def drop(self) -> None:
        if self._lab is not None:
            self._lab.__exit__(None, None, None)
            self._lab = None


@pytest.fixture(scope="session")
def _shared() -> Iterator[_Shared]:
    shared = _Shared()
    yield shared
    shared.drop()


@pytest.fixture
def lab(_shared: _Shared, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Give two vipbus routers, r1 (priority 150, active) and r2 (100), three real servers and traffic."""
    lab = _shared.get()
    try:
        lab.settled("r1")
    except AssertionError as error:
        error.add_note(lab.evidence("not-settled"))
        _shared.drop()
        raise
    yield lab
    if request.node.stash.get(_failed, False):
        _shared.drop()
