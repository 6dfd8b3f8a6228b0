"""The runner: output and exit status come through, and a time-out leaves nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.guest.boot import EXIT_NO_STATUS

pytestmark = pytest.mark.skipif(
    os.environ.get("VIPBUS_LAB_GUEST") == "1", reason="a guest in a guest: run it outside"
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.lab.guest", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    if (
        done.returncode == EXIT_NO_STATUS
        and done.stderr.startswith("no guest: ")
        and not os.environ.get("CI")
    ):
        pytest.skip(done.stderr.strip())
    return done


def test_output_and_status_come_through_and_the_files_are_shared(tmp_path: Path) -> None:
    # not below /tmp, which is private to the guest
    result = Path(f".{tmp_path.name}-from-the-guest").absolute()
    script = f"echo out; echo err >&2; cat /proc/net/ip_vs > '{result}'; test $VIPBUS_LAB_GUEST = 1 && exit 7"
    try:
        done = run("--", "sh", "-c", script)
        assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")
        assert result.read_text().startswith("IP Virtual Server")
    finally:
        result.unlink(missing_ok=True)


def test_a_time_out_ends_everything() -> None:
    done = run("--seconds", "4", "--", "sh", "-c", "echo begun; sleep 1234 & sleep 1234")
    assert (done.returncode, done.stdout) == (124, "begun\n")
    assert "ended after 4 s" in done.stderr
    everyone = subprocess.run(["ps", "-e", "-o", "args"], capture_output=True, text=True, check=True).stdout
    assert "sleep 1234" not in everyone
