"""HAProxy listens on addresses that are not there, with and without privilege; they come, and it serves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from haproxy_programmer.render.binds import bind
from tests.lab.namespace import Namespace
from tests.lab.network import Network, listens
from tests.support import proxy
from tests.support.vrrp import needs_root
from tests.support.waiting import eventually
from vipbus.contracts import ProxyBind

pytestmark = needs_root

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all")
PORT = 8000
_ASK = """
import http.client, sys
connection = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=5)
connection.request("GET", "/")
print(connection.getresponse().status)
"""


@pytest.fixture
def node() -> Iterator[tuple[Network, Namespace]]:
    program = proxy.haproxy()
    assert program
    with Network() as network:
        sysctl = {"ipv6.conf.all.disable_ipv6": 0, "ipv6.conf.default.accept_dad": 0}
        yield network, network.node("r", "10.9.0.11", sysctl)


@pytest.mark.parametrize("privilege", [(), NOBODY], ids=["root", "nobody"])
def test_it_listens_before_the_address_is_there(
    node: tuple[Network, Namespace], privilege: tuple[str, ...]
) -> None:
    network, router = node
    four, six = "10.9.0.100", "fd00::100"
    assert router.run("cat", "/proc/sys/net/ipv4/ip_nonlocal_bind").strip() == "0"
    binds = [bind(ProxyBind(address=address, port=PORT), "http") for address in (four, six)]
    network.directory.chmod(0o755)
    file = network.directory / "haproxy.cfg"
    file.write_text(
        "defaults\n    mode http\n    timeout client 5s\nfrontend web\n"
        + "".join(f"    bind {each}\n" for each in binds)
        + "    http-request return status 204\n"
    )
    log = network.directory / "haproxy.log"
    running = router.spawn([*privilege, proxy.haproxy(), "-db", "-f", str(file)], log)
    for endpoint in (f"{four}:{PORT}", f"[{six}]:{PORT}"):
        eventually(
            lambda endpoint=endpoint: listens(router, endpoint) or running.poll() is not None,  # type: ignore[misc]  # bound
            "it listens",
        )
        assert running.poll() is None, log.read_text()
    router.ip("addr", "add", f"{four}/24", "dev", "eth0")
    router.ip("addr", "add", f"{six}/64", "dev", "eth0", "nodad")
    for address in (four, six):
        assert router.run("python3", "-c", _ASK, address, str(PORT)).strip() == "204"
