"""keepalived takes each file of the corpus, and says no more about it than is written here."""

from __future__ import annotations

import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.corpus.files import FILES, HOSTS
from tests.lab.namespace import Namespace

_INTERFACES = ("eth0", "eth1", "eth2", "eth3", "eth0.100", "eth0.200", "eth0.300", "bond0", "ens18", "ens192")
_OF_THIS_MACHINE = re.compile(
    r"Unable to access script|script .* not found|SECURITY VIOLATION|default user 'keepalived_script'"
)
"""Programs and users that are not here."""
_SAYS = {
    "dns-both-protocols": [
        "real server [10.53.0.11]:udp:53 has port",
        "real server [10.53.0.12]:udp:53 has port",
    ],
    "firewall-pair": ["global_tracking is deprecated"],
    "left-out": ["'linkbeat_use_polling' in vrrp instance deprecated"],
    "old-style": [
        "nb_get_retry is deprecated",
        "nb_get_retry is deprecated",
        "Specifying lvs_sync_daemon_interface against a vrrp is deprecated",
        "Please use global lvs_sync_daemon",
    ],
    "routes-and-rules": ["cannot track route 10.82.128.0/18 with no interface"],
    "same-address-twice": ["advertisement interval 1.500000s must be an integer. rounding"],
}


@pytest.fixture(scope="module")
def space() -> Iterator[Namespace]:
    found = Namespace(f"corpus{secrets.token_hex(4)}")
    found.open()
    try:
        for number, name in enumerate(_INTERFACES):
            found.ip("link", "add", name, "type", "veth", "peer", "name", f"peer{number}")
        yield found
    finally:
        found.close()


@pytest.mark.parametrize(
    ("path", "host"),
    [(path, host) for path in FILES for host in HOSTS.get(path.stem, ("",))],
    ids=lambda one: one.stem if isinstance(one, Path) else one,
)
def test_keepalived_takes_it(space: Namespace, path: Path, host: str) -> None:
    command = ["keepalived", "-t", "-f", str(path), *(["-i", host] if host else [])]
    inside = ["ip", "netns", "exec", space.name, *command]
    done = subprocess.run(inside, capture_output=True, text=True, check=False, timeout=30)
    lines = [
        re.sub(r"^[A-Z][a-z]{2} [A-Z][a-z]{2} .*?: ", "", line)
        for line in (done.stdout + done.stderr).splitlines()
    ]
    said = [line for line in lines if line.strip() and not _OF_THIS_MACHINE.search(line)]
    expected = _SAYS.get(path.stem, [])
    assert len(said) == len(expected), said
    for line, part in zip(said, expected, strict=True):
        assert part in line
