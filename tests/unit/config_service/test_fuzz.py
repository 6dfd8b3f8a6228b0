"""The fuzzers for some seconds each; `make fuzz` has them run for long."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.corpus.files import HERE

ROOT = HERE.parents[1]
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris has no wheel for this Python on this machine"
)


@pytest.mark.parametrize(("language", "seconds"), [("keepalived", 10), ("haproxy", 5), ("toml", 5)])
def test_nothing_is_found_in_a_short_time(tmp_path: Path, language: str, seconds: int) -> None:
    # the same inputs each time: what chance finds is for `make fuzz`, not for whoever changes something else
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
    bounds = ["-seed=1", "-runs=6000", f"-max_total_time={seconds}"]
    command = [sys.executable, "-m", "tests.fuzz.config", language, *bounds]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    runs = re.search(r"Done (\d+) runs", done.stderr)
    assert runs is not None
    assert int(runs[1]) > 50
