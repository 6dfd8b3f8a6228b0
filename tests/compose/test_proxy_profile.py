"""The profile proxy: HAProxy on two routers and on two nodes behind IPVS, for real."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.compose import haproxy_image
from tests.compose.conftest import require_engine
from tests.compose.stack import HAS_IPVS, ROOT, Stack
from tests.support import proxy
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(900)  # the first one waits for the images
SERVICES = (
    "nats",
    "health-prober",
    "proxy-config-service",
    *(f"proxy-{name}{part}" for name in "ab" for part in ("", "-vrrp-agent", "-haproxy-programmer")),
    "app-1",
    "app-2",
    "proxy-client",
)
"""HAProxy on the routers; what the default profile adds would be two routers more and their real servers."""
NODES = ("node-a", "node-a-vrrp-agent", "node-a-haproxy-programmer")
IPVS = ("proxy-a-ipvs-programmer", "proxy-b-ipvs-programmer", "tiers-client")
"""Healthy where the kernel has IPVS."""
WITHIN = 120.0
_WORKER = """
import os, pathlib, sys
for entry in pathlib.Path("/proc").iterdir():
    try:
        name, _, rest = (entry / "stat").read_text().partition("(")[2].rpartition(")")
    except OSError:
        continue
    if name == "haproxy" and rest.split()[1] != "1":  # the master is the programmer's child
        os.kill(int(entry.name), int(sys.argv[1]))
        print(entry.name)
"""
_ASK = """
import http.client, sys
connection = http.client.HTTPConnection(sys.argv[1], 80, timeout=5)
connection.request("GET", sys.argv[2])
answer = connection.getresponse()
print(answer.status, answer.read().decode().strip())
"""


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Bring the profile up."""
    require_engine()
    program = proxy.haproxy()
    stack = Stack(tmp_path_factory.mktemp("compose"), "-proxy")
    image = f"vipbus/haproxy-stand-in:{stack.tag}"
    stack.environment |= {"VIPBUS_HAPROXY": image, "COMPOSE_PROFILES": "proxy"}
    try:
        haproxy_image.build(image, program, tmp_path_factory.mktemp("haproxy"))
        stack.compose("build", "--quiet", *SERVICES, *NODES, *IPVS, "vipbus")
        stack.compose("up", "--detach", "--no-build", *SERVICES)
        settle(stack)
        yield stack
    finally:
        kept = ROOT / "artifacts"
        kept.mkdir(exist_ok=True)
        logs = stack.compose("logs", "--no-color", "--timestamps", check=False)
        (kept / "compose-proxy.log").write_text(logs.stdout)
        stack.remove()


def active(stack: Stack) -> list[str]:
    """Say which routers have the address of the proxies."""
    return [
        router for router in ("proxy-a", "proxy-b") if f"{stack.net}.1.101" in stack.local_addresses(router)
    ]


def settle(stack: Stack) -> None:
    """Wait until proxy-a is active and everything is healthy."""
    eventually(lambda: active(stack) == ["proxy-a"], "proxy-a is active", within=WITHIN, every=0.5)
    healthy(stack, *SERVICES)


def healthy(stack: Stack, *services: str) -> None:
    """Wait until services say that they work."""
    for service in services:
        (container,) = stack.containers(service)
        eventually(
            lambda container=container: stack.health(container).status == "healthy",  # type: ignore[misc]  # bound
            f"{service} is healthy (it says {stack.health(container)})",
            within=WITHIN,
            every=0.5,
        )


def ask(stack: Stack, address: str, path: str = "/") -> str:
    """Ask from where the clients are; the status and what came."""
    return stack.python("proxy-client", _ASK, address, path)


def answered(stack: Stack) -> bool:
    """Say whether the proxies' address is answered."""
    try:
        return ask(stack, f"{stack.net}.1.101").startswith("200 ")
    except AssertionError:
        return False


def test_the_routers_proxies_answer_with_both_applications(proxied: Stack) -> None:
    address = f"{proxied.net}.1.101"
    assert {ask(proxied, address) for _ in range(8)} == {"200 app-1", "200 app-2"}
    assert ask(proxied, address, "/alive").startswith("200 ")


def test_the_address_goes_where_haproxy_answers_and_comes_back(proxied: Stack) -> None:
    service = "proxy-a-haproxy-programmer"
    assert proxied.python(service, _WORKER, str(int(signal.SIGSTOP)))
    try:
        eventually(lambda: active(proxied) == ["proxy-b"], "proxy-b took over", within=WITHIN, every=0.2)
        eventually(lambda: answered(proxied), "it answers", within=WITHIN)
        _, report = proxied.status()
        assert any("HAProxy does not answer" in line for line in report["not_ready"]), report["not_ready"]
    finally:
        proxied.python(service, _WORKER, str(int(signal.SIGCONT)))
    eventually(lambda: active(proxied) == ["proxy-a"], "proxy-a took it back", within=WITHIN, every=0.2)
    eventually(lambda: answered(proxied), "it answers", within=WITHIN)
    settle(proxied)


def test_a_container_of_haproxy_that_is_gone_costs_its_router_the_address(proxied: Stack) -> None:
    proxied.kill("proxy-a-haproxy-programmer")
    try:
        eventually(lambda: active(proxied) == ["proxy-b"], "proxy-b took over", within=WITHIN, every=0.2)
        eventually(lambda: answered(proxied), "it answers", within=WITHIN)
    finally:
        proxied.start("proxy-a-haproxy-programmer")
    settle(proxied)
    assert answered(proxied)


def test_a_node_answers_on_its_monitor_and_has_the_address_of_the_tier(proxied: Stack) -> None:
    has_ipvs = proxied.python("proxy-a", HAS_IPVS) == "True"
    added = (*NODES, *(IPVS if has_ipvs else ()))
    proxied.compose("up", "--detach", "--no-build", "--no-deps", *added)
    try:
        healthy(proxied, *added)
        tier, own = f"{proxied.net}.1.102", f"{proxied.net}.1.31"
        assert tier in proxied.local_addresses("node-a")
        assert ask(proxied, own, "/alive").startswith("200 ")
        assert {ask(proxied, own) for _ in range(8)} == {"200 app-1", "200 app-2"}
        verdicts = proxied.verdicts()
        assert verdicts[own] == "up"
        assert verdicts[f"{proxied.net}.1.32"] == "down", "the other node is not there"
        if has_ipvs:
            assert {ask(proxied, tier) for _ in range(8)} == {"200 app-1", "200 app-2"}
    finally:
        proxied.compose("rm", "--stop", "--force", *added)


def test_haproxy_takes_no_privilege(proxied: Stack) -> None:
    service = "proxy-b-haproxy-programmer"
    (container,) = proxied.containers(service)
    host = container.attrs["HostConfig"]
    assert (host["CapDrop"], host["CapAdd"], host["Privileged"]) == (["ALL"], None, False)
    status = proxied.python(service, "print(open('/proc/1/status').read())")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert {int(fields[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {0}
    assert set(fields["Uid"].split()) == {"10001"}
