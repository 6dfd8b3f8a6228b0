"""The samples that come with keepalived are accepted, or refused for reasons that are written here.

They are read where the package is installed; nothing of them stands in this repository.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

import pytest

from config_service.load import load
from config_service.problems import ConfigError
from tests.corpus.files import AnyHost

REFUSED: Final[dict[str, tuple[tuple[int, str], ...]]] = {
    # keepalived 2.2.7 does not know that way to name members either: "Unknown keyword 'VI_2'"
    "vrrp.lvs_syncd": (
        (3, "vrrp_sync_group 'VG1' has no members"),
        (4, "unknown keyword 'VI_2' in vrrp_sync_group"),
        (5, "unknown keyword 'VI_3' in vrrp_sync_group"),
    ),
    # keepalived 2.2.7 says "Invalid rule to address" and leaves the rules out
    "vrrp.rules": ((11, "'192.168.100.' is no IP address"), (26, "'192.168.200.' is no IP address")),
}
"""By name: line and reason of every error."""


def samples() -> list[Path]:
    """Find the samples of the installed package."""
    try:
        done = subprocess.run(["dpkg", "-L", "keepalived"], capture_output=True, text=True, check=False)
    except OSError:
        return []
    paths = (Path(line) for line in done.stdout.splitlines() if "/samples/keepalived.conf." in line)
    return [path for path in paths if path.is_file()]


SAMPLES: Final = samples()
needed = pytest.mark.skipif(not SAMPLES, reason="keepalived's package has no samples on this machine")


def name(path: Path) -> str:
    """Give what stands after ``keepalived.conf.``."""
    return path.name.removeprefix("keepalived.conf.")


def refusal(path: Path) -> list[tuple[int, str]]:
    """Give every error; none where it is accepted and says something."""
    try:
        assert load(path, "r1", config_id="high", host=AnyHost()).entities
    except ConfigError as error:
        return [(one.line, one.text) for one in error.problems]
    return []


@needed
@pytest.mark.parametrize("path", SAMPLES, ids=name)
def test_a_sample(path: Path) -> None:
    found, expected = refusal(path), REFUSED.get(name(path), ())
    assert [line for line, _ in found] == [line for line, _ in expected], found
    for (_, text), (_, reason) in zip(found, expected, strict=True):
        assert reason in text


@needed
def test_every_reason_is_of_a_sample() -> None:
    assert set(REFUSED) <= {name(path) for path in SAMPLES}
