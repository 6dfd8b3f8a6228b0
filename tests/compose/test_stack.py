"""The whole system over containers: steady state, failures, and what is said of them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from tests.compose.stack import NEED_IPVS, Stack, now
from tests.support.waiting import eventually, eventually_async
from vipbus.bus import Bus, BusAddress
from vipbus.contracts import MEMBER, Member

ADVERT_INTERVAL = 1.0
SKEW_TIME = (256 - 100) / 256 * ADVERT_INTERVAL
MASTER_DOWN = 3 * ADVERT_INTERVAL + SKEW_TIME
"""Router b's, in seconds (RFC 9568 section 6.1)."""
MARGIN = 0.5
DELAY_LOOP, CONNECT_TIMEOUT, RETRY, DELAY_BEFORE_RETRY = 2.0, 1.0, 1, 1.0
"""Of deploy/compose/routers."""
DOWN_WITHIN = DELAY_LOOP + (RETRY + 1) * CONNECT_TIMEOUT + RETRY * DELAY_BEFORE_RETRY
CUT_OFF = ("router-a-vrrp-agent", "router-a-ipvs-programmer", "router-a")


@pytest.fixture(autouse=True)
def settled(stack: Stack) -> Iterator[None]:
    """Begin and end with everything as it should be."""
    stack.settle()
    yield
    stack.compose("up", "--detach", "--no-build", "--scale", "health-prober=1")
    stack.settle()


@asynccontextmanager
async def _bus(stack: Stack) -> AsyncIterator[Bus]:
    bus = Bus(BusAddress(url=stack.bus), source="test")
    bus.start()
    try:
        await bus.usable(10.0)
        yield bus
    finally:
        await bus.close()


def _events(stack: Stack, subject: str) -> list[dict[str, object]]:
    """Replay the history through the port that users have."""
    done = subprocess.run(
        [sys.executable, "-m", "ctl", "events", "--bus", stack.bus, "--json", subject],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


# ---- steady state


def test_every_container_is_healthy_or_says_what_it_lacks(stack: Stack) -> None:
    for service in stack.services():
        for container in stack.containers(service):
            health = stack.health(container)
            if service in NEED_IPVS and not stack.has_ipvs():
                assert health.status == "unhealthy"
                assert "IPVS" in health.said or service == "client"
            else:
                assert health.status == "healthy", f"{container.name}: {health.said}"


def test_one_router_has_every_virtual_address(stack: Stack) -> None:
    both = {stack.virtual_address, stack.gateway}
    assert both <= stack.local_addresses("router-a")
    assert not both & stack.local_addresses("router-b")


def test_status_tells_the_truth(stack: Stack) -> None:
    code, report = stack.status()
    roles = {
        router["name"]: instance["role"] for router in report["routers"] for instance in router["instances"]
    }
    assert roles == {"router-a": "active", "router-b": "backup"}
    assert {
        real_server["verdict"] for each in report["virtual_servers"] for real_server in each["real_servers"]
    } == {"up"}
    (virtual_server,) = report["virtual_servers"]
    tables = {table["router"]: table for table in virtual_server["tables"]}
    if stack.has_ipvs():
        assert (code, report["ready"], report["not_ready"]) == (0, True, [])
        assert len(tables["router-a"]["destinations"]) == 3
        assert not tables["router-b"]["programmed"]
    else:
        assert (code, report["ready"]) == (3, False)
        # that and nothing else is wrong
        assert report["not_ready"]
        assert all("IPVS" in line for line in report["not_ready"])
        assert not tables["router-a"]["programmed"]
        assert not tables["router-b"]["programmed"]


def test_requests_reach_real_servers_and_answers_come_back(stack: Stack) -> None:
    """Through IPVS, or, where the kernel has none, through nf_tables' own address translation in its place.

    The stand-in proves all the rest of the path: the addresses, forwarding, the default gateway that moves,
    and that nothing on the engine's bridges rewrites or drops what passes.
    """
    if stack.has_ipvs():
        said = stack.health(stack.container("client")).said
        assert said.split()[-1] in _names(stack)
        return
    if os.geteuid() != 0 or shutil.which("nft") is None or shutil.which("nsenter") is None:
        pytest.skip("this kernel has no IPVS, and no root with nft and nsenter to stand in for it")
    pid = stack.container("router-a").attrs["State"]["Pid"]
    enter = ["nsenter", "--net", "--target", str(pid), "nft"]
    addresses = stack.addresses("real-server", "servers")
    rules = f"""
        table ip stand_in {{
            chain before {{
                type nat hook prerouting priority -100
                ip daddr {stack.virtual_address} tcp dport 80 dnat to numgen inc mod 3 map {{
                    {", ".join(f"{n}: {address} . 8080" for n, address in enumerate(addresses))} }}
            }}
        }}"""
    subprocess.run([*enter, "--file", "-"], input=rules, text=True, check=True)
    try:
        ask = "from demo import client; print(client.asyncio.run(client.ask(*__import__('sys').argv[1:])))"
        answers: set[str] = set()
        for _ in range(60):  # the client's own requests take turns too
            answers.add(stack.python("client", ask, stack.virtual_address, "80"))
            if len(answers) == 3:
                break
        assert answers == _names(stack)
    finally:
        subprocess.run([*enter, "delete", "table", "ip", "stand_in"], check=True)


def _names(stack: Stack) -> set[str]:
    """Give what the real servers answer: the names of their hosts."""
    return {str(each.attrs["Config"]["Hostname"]) for each in stack.containers("real-server")}


def test_each_service_is_scraped(stack: Stack) -> None:
    scrape = "import urllib.request as u, os; print(u.urlopen(f'http://{os.environ[\"VIPBUS_LISTEN\"]}/metrics').read().decode())"
    for service, metric in (
        ("config-service", "vipbus_config_revision"),
        ("health-prober", "vipbus_probes_total"),
        ("router-a-vrrp-agent", "vipbus_vrrp_advertisements_sent_total"),
        ("router-b-vrrp-agent", "vipbus_vrrp_advertisements_received_total"),
        ("router-a-ipvs-programmer", "vipbus_bus_connected"),
    ):
        assert re.search(rf"^{metric}(\{{.*\}})? \d", stack.python(service, scrape), re.MULTILINE), service


# ---- failures


def _cut_off(stack: Stack) -> None:
    watch = stack.arrival("router-b")
    before = now()
    stack.kill(*CUT_OFF)
    killing = now() - before
    output, _ = watch.communicate(timeout=MASTER_DOWN + killing + 10)
    took = float(output) - before
    print(f"router-b has the address {took:.2f} s after the kill began ({killing:.2f} s to kill)")
    assert took <= MASTER_DOWN + MARGIN + killing
    assert stack.active() == ["router-b"]
    assert {stack.virtual_address, stack.gateway} <= stack.local_addresses("router-b")


def test_a_router_is_cut_off_and_comes_back(stack: Stack) -> None:
    _cut_off(stack)
    _, report = stack.status()
    roles = {
        router["name"]: (instance["role"], instance["current"])
        for router in report["routers"]
        for instance in router["instances"]
    }
    assert roles["router-b"] == ("active", True)
    assert roles["router-a"][1] is False, "router-a's last word is shown as an old one"
    # router a has the higher priority and takes over again
    stack.compose("up", "--detach", "--no-build")
    eventually(lambda: stack.active() == ["router-a"], "router-a is active again", within=20, every=0.1)


def test_with_the_bus_dead_a_router_is_cut_off(stack: Stack) -> None:
    stack.kill("nats")
    _cut_off(stack)
    stack.compose("up", "--detach", "--no-build")
    eventually(lambda: stack.active() == ["router-a"], "router-a is active again", within=20, every=0.1)
    eventually(
        lambda: stack.status()[1]["bus"]["connected"], "status finds the bus again", within=20, every=0.5
    )


def test_the_bus_dies_and_comes_back(stack: Stack) -> None:
    before = _roles(stack)
    stack.kill("nats")
    for service in ("config-service", "health-prober", "router-a-vrrp-agent"):
        container = stack.container(service)
        eventually(
            lambda container=container: "the bus at" in stack.health(container).said,  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
            f"{service} says that the bus is away",
            within=20,
            every=0.2,
        )
    assert stack.active() == ["router-a"]
    stack.start("nats")
    stack.settle()
    assert _roles(stack) == before, "nothing changed its role"


def _roles(stack: Stack) -> dict[str, tuple[str, int]]:
    _, report = stack.status()
    return {
        router["name"]: (instance["role"], instance["epoch"])
        for router in report["routers"]
        for instance in router["instances"]
    }


def test_a_stopped_agent_hands_over(stack: Stack) -> None:
    watch = stack.arrival("router-b")
    agent = stack.container("router-a-vrrp-agent")
    before = now()
    agent.stop()
    output, _ = watch.communicate(timeout=10)
    took = float(output) - before
    print(f"router-b has the address {took:.2f} s after the stop began")
    # priority 0 sets the backup's timer to the skew time (RFC 9568 section 6.4.2)
    assert took <= SKEW_TIME + MARGIN
    agent.reload()
    assert agent.attrs["State"]["ExitCode"] == 0
    assert stack.active() == ["router-b"]
    assert _roles(stack)["router-a"][0] == "stopped"
    agent.start()
    eventually(lambda: stack.active() == ["router-a"], "router-a is active again", within=20, every=0.1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may kill a container's process past its engine")
def test_a_killed_agent_is_back_before_anyone_takes_over(stack: Stack) -> None:
    watch = stack.arrival("router-b")
    agent = stack.container("router-a-vrrp-agent")
    restarts = agent.attrs["RestartCount"]
    os.kill(agent.attrs["State"]["Pid"], 9)

    def back() -> bool:
        agent.reload()
        return bool(agent.attrs["RestartCount"] == restarts + 1 and agent.attrs["State"]["Running"])

    took = eventually(back, "the engine starts it again")
    print(f"vrrp-agent runs again after {took:.2f} s")
    with pytest.raises(subprocess.TimeoutExpired):
        watch.communicate(timeout=2 * MASTER_DOWN)
    watch.kill()
    watch.wait()
    assert stack.active() == ["router-a"]


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("nft") is None or shutil.which("nsenter") is None,
    reason="needs root, nft and nsenter to drop what comes to a container that runs",
)
def test_a_real_server_falls_silent_and_answers_again(stack: Stack) -> None:
    """The engine sees nothing of it: the container is healthy, and only the router's check finds out."""
    address = stack.addresses("real-server", "servers")[2]
    pid = stack.containers("real-server")[2].attrs["State"]["Pid"]
    enter = ["nsenter", "--net", "--target", str(pid), "nft"]
    rules = """table ip silent { chain into { type filter hook input priority 0
        iifname != "lo" tcp dport 8080 drop
    }
    }"""
    subject = "state.health.>"
    heard = len(_events(stack, subject))
    subprocess.run([*enter, "--file", "-"], input=rules, text=True, check=True)
    took = eventually(
        lambda: stack.verdicts()[address] == "down", "its verdict is down", within=DOWN_WITHIN + 8, every=0.1
    )
    print(f"down after {took:.1f} s, the command's own start included")
    new = _events(stack, subject)[heard:]
    assert [event["data"]["verdict"] for event in new] == ["down"]  # type: ignore[index]  # JSON
    assert new[0]["data"]["cause"]  # type: ignore[index]  # JSON
    subprocess.run([*enter, "delete", "table", "ip", "silent"], check=True)
    eventually(
        lambda: stack.verdicts()[address] == "up", "its verdict is up", within=DELAY_LOOP + 8, every=0.1
    )


# ---- configuration


def test_a_changed_file_is_taken_whole_and_a_wrong_one_refused_whole(stack: Stack) -> None:
    file = stack.routers / "router-a.conf"
    text = file.read_text()
    first = _revision(stack, "router-a")
    try:
        file.write_text(text.replace("delay_loop 2", "delay_loop 3"))
        assert _reload(stack).returncode == 0
        assert _revision(stack, "router-a") == first + 1
        file.write_text(text.replace("lb_algo rr", "lb_algo nonsense"))
        refused = _reload(stack)
        assert refused.returncode == 2
        line = 1 + next(n for n, each in enumerate(text.splitlines()) if "lb_algo" in each)
        assert f"/etc/vipbus/router-a.conf:{line}:" in refused.stdout + refused.stderr
        assert _revision(stack, "router-a") == first + 1
    finally:
        file.write_text(text)
        assert _reload(stack).returncode == 0
    assert _revision(stack, "router-a") == first + 2
    assert stack.active() == ["router-a"]


def _reload(stack: Stack) -> subprocess.CompletedProcess[str]:
    return stack.compose("run", "--rm", "--no-TTY", "vipbus", "config", "reload", check=False)


def _revision(stack: Stack, router: str) -> int:
    _, report = stack.status()
    (revision,) = (each["revision"] for each in report["routers"] if each["name"] == router)
    assert isinstance(revision, int)
    return revision


# ---- sharing


def _members(stack: Stack) -> list[Member]:
    async def read() -> list[Member]:
        async with _bus(stack) as bus:
            follow = bus.follow(MEMBER)
            await eventually_async(lambda: follow.live, "the bucket is read")
            return [entry.value for entry in follow.entries.values()]

    return asyncio.run(read())


def _shared_among(stack: Stack, replicas: int) -> Callable[[], bool]:
    def condition() -> bool:
        members = _members(stack)
        return len(members) == replicas and sum(member.targets for member in members) == 3

    return condition


def test_probers_share_the_work_and_change_no_verdict(stack: Stack) -> None:
    subject = "state.health.>"
    heard = len(_events(stack, subject))
    for replicas in (3, 2, 1):
        stack.compose("up", "--detach", "--no-build", "--scale", f"health-prober={replicas}")
        eventually(
            _shared_among(stack, replicas), f"{replicas} probers lead 3 real servers", within=20, every=0.2
        )
        containers = stack.containers("health-prober")
        assert len(containers) == replicas
        for container in containers:
            eventually(
                lambda container=container: stack.health(container).status == "healthy",  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
                f"{container.name} is ready",
                within=30,
                every=0.5,
            )
        assert set(stack.verdicts().values()) == {"up"}
    said = [event["data"]["verdict"] for event in _events(stack, subject)[heard:]]  # type: ignore[index]  # JSON
    assert set(said) <= {"up"}, "a new leader says again what is so, and never anything else"
