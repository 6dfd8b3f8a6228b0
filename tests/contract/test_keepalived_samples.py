"""The samples and the manual's examples are accepted, or refused for reasons that are written here.

They are read where the package is installed; nothing of them stands in this repository.
"""

from __future__ import annotations

import gzip
import re
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


MANUAL: Final[dict[int, tuple[str, ...]]] = {
    # an instance with dots in it, of which only what differs on each host is shown
    0: ("vrrp_instance VRRP has no interface", "has no virtual_router_id", "has no virtual_ipaddress"),
    # addresses outside of any block: what parameters become
    1: ("unknown keyword '10.2.0.100/32'", "unknown keyword '10.2.10.100/32'"),
    2: ("vrrp_instance VI_0 has no interface", "has no virtual_router_id", "has no virtual_ipaddress"),
    # its scripts are not shown
    3: ("there is no vrrp_script 'offset_instance_0'", "there is no vrrp_script 'offset_instance_1'"),
    4: (),
    # a line with a keyword that there is not
    5: ("unknown keyword 'ip_address'",),
    # 65,024 instances are more than a file may have: shorter sequences make 18 of them
    6: (),
}
"""Reasons of every error, by the number of the example in ADVANCED CONFIGURATION."""


def installed() -> list[Path]:
    """List the files of the package."""
    try:
        done = subprocess.run(["dpkg", "-L", "keepalived"], capture_output=True, text=True, check=False)
    except OSError:
        return []
    return [path for path in map(Path, done.stdout.splitlines()) if path.is_file()]


INSTALLED: Final = installed()
SAMPLES: Final = [path for path in INSTALLED if "/samples/keepalived.conf." in str(path)]
PAGES: Final = [path for path in INSTALLED if path.name == "keepalived.conf.5.gz"]
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


def examples(page: Path) -> list[str]:
    """Take the examples out of the manual page, without what it says that they become."""
    roff = gzip.decompress(page.read_bytes()).decode()
    roff = roff[roff.index(".SH ADVANCED CONFIGURATION") :]
    found = []
    for block in re.findall(r"(?ms)^\.nf\n(.*?)^\.fi", roff):
        text = re.sub(r"\\f[BRI]", "", block).replace("\\e", "\\").replace("\\-", "-")
        text = re.split(r"\n *(?:will|would) produce", text)[0]
        found.append("".join(f"{line}\n" for line in text.splitlines() if line.strip() != "..."))
    return found


@pytest.mark.skipif(not PAGES, reason="keepalived's package has no manual page on this machine")
def test_the_manuals_examples(tmp_path: Path) -> None:
    found = examples(PAGES[0])
    assert len(found) == len(MANUAL)
    for number, text in enumerate(found):
        path = tmp_path / f"{number}.conf"
        path.write_text(re.sub(r"\((IF|NUM|ID),([01]),\d+\)", r"(\1,\2,2)", text))
        try:
            load(path, "r1", config_id="main", host=AnyHost())
        except ConfigError as error:
            said = [one.text for one in error.problems]
        else:
            said = []
        assert len(said) == len(MANUAL[number]), (number, said)
        assert [reason in one for reason, one in zip(MANUAL[number], said, strict=True)].count(False) == 0, (
            said
        )
