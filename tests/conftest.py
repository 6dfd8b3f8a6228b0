"""Fixtures that every test may use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.nats import NatsServer

_AGAIN_AT_MOST = 3
_AGAIN_OF = 300
"""Three tests of a run, or one in 300, may need a second try; more are a defect, of vipbus or of tests."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run of the leak tests be as long as one likes."""
    parser.addoption(
        "--rounds",
        type=int,
        default=1000,
        help="rounds of each kind of check, a multiple of 20 (%(default)s)",
    )


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """Say how many rounds show that nothing is left behind."""
    number: int = request.config.getoption("--rounds")
    assert number % 20 == 0, "--rounds: a multiple of 20, so that each check has as many as the others"
    return number


# how long an example takes is the machine's matter
settings.register_profile("vipbus", deadline=None)
settings.load_profile("vipbus")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in which too many tests passed at the second try only."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    again = len(reporter.stats.get("rerun", ()))
    at_most = max(_AGAIN_AT_MOST, len(reporter.stats.get("passed", ())) // _AGAIN_OF)
    if again > at_most and session.exitstatus == pytest.ExitCode.OK:
        reporter.write_line(f"{again} tests were tried again; at most {at_most} may be")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    """Give a real nats-server with an empty store."""
    directory = tmp_path / "nats"
    directory.mkdir()
    server = NatsServer(directory)
    server.start()
    yield server
    server.kill()
