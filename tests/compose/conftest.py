"""The stack that the tests share: built and brought up once, removed at the end."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.compose.stack import ROOT, Stack


def require_engine() -> None:
    """Skip where no engine answers; where one should, that is a failure."""
    reason = _why_no_engine()
    if reason:
        if os.environ.get("CI") and shutil.which("dockerd"):
            pytest.fail(f"{reason}, though one can run here")
        pytest.skip(f"{reason}: compose.yaml is not tried")


def _why_no_engine() -> str:
    if shutil.which("docker") is None:
        return "docker is not installed"
    for command, what in (
        (["docker", "info", "--format", "{{.ServerErrors}}"], "no Docker engine answers"),
        (["docker", "compose", "version"], "docker has no Compose plugin (version 2)"),
    ):
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            return what
    return ""


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Bring the default profile up; every test finds it settled and leaves it so."""
    require_engine()
    stack = Stack(tmp_path_factory.mktemp("compose"))
    try:
        stack.compose("--profile", "command", "build", "--quiet")
        stack.compose("up", "--detach", "--no-build")
        stack.settle()
        yield stack
    finally:
        kept = ROOT / "artifacts"
        kept.mkdir(exist_ok=True)
        logs = stack.compose("logs", "--no-color", "--timestamps", check=False)
        (kept / "compose.log").write_text(logs.stdout)
        stack.remove()
