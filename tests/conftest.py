"""Fixtures that every test may use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.nats import NatsServer

_AGAIN_AT_MOST = 3
"""Tests of one run that may need a second try; more are a defect, of vipbus or of the tests."""


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in which too many tests passed at the second try only."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    again = len(reporter.stats.get("rerun", ())) if reporter is not None else 0
    if again > _AGAIN_AT_MOST and session.exitstatus == pytest.ExitCode.OK:
        reporter.write_line(f"{again} tests were tried again; at most {_AGAIN_AT_MOST} may be")
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
