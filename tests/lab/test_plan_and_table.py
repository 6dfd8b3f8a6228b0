"""``vipbus table`` says what ipvsadm(8) says, and ``vipbus plan`` what is then done, on the real kernel."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.declare import Declaration, RouterSpec
from tests.lab.lab import Lab
from tests.lab.router import Vipbus
from tests.support.waiting import eventually

pytestmark = [pytest.mark.ipvs, pytest.mark.timeout(300)]

COUNTERS = ("connections", "packets_in", "packets_out", "bytes_in", "bytes_out")
S1, S2, S3 = (f"10.9.0.2{number}:80" for number in (1, 2, 3))
NEW = "10.9.0.24:80"
OPERATION = re.compile(r"((?:add|edit|delete) (?:service|destination) .*) \(.*\)$")

Counted = dict[str, dict[str, int]]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Give one router alone, three real servers and traffic: less to start than the lab that others share."""
    with Lab(Declaration(routers=(RouterSpec("r1", 150),))) as lab:
        lab.start_client(every=0.1)
        lab.settled("r1", within=200)
        yield lab


def statistics(router: Vipbus) -> Counted:
    """Read ``ipvsadm -Ln --stats --exact``: by address and port, the service's own among them."""
    counted = {}
    for line in router.namespace.run("ipvsadm", "-Ln", "--stats", "--exact").splitlines():
        name, *numbers = line.removeprefix("TCP ").removeprefix("  -> ").split()
        if len(numbers) == len(COUNTERS) and numbers[0].isdigit():
            counted[name] = dict(zip(COUNTERS, map(int, numbers), strict=True))
    return counted


def told(router: Vipbus, *arguments: str) -> dict[str, Any]:
    """Ask for the table of a router that has one virtual server, as JSON."""
    done = router.ask("table", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    (report,) = json.loads(done.stdout)
    (server,) = report["virtual_servers"]
    return server  # type: ignore[no-any-return]  # it is of JSON


def flows(server: dict[str, Any]) -> Counted:
    """Take the counters out of such an answer, as `statistics` has them."""
    parts = {f"{each['address']}:{each['port']}": each["flow"] for each in server["real_servers"]}
    parts[server["name"].removesuffix(" TCP")] = server["flow"]
    return {name: {counter: flow[counter] for counter in COUNTERS} for name, flow in parts.items()}


def test_the_table_is_ipvsadms_under_traffic(lab: Lab) -> None:
    r1 = lab.vipbus("r1")
    before = statistics(r1)
    server = told(r1, f"{lab.address}:80", "--live")
    after = statistics(r1)
    found = flows(server)
    assert found.keys() == before.keys() == after.keys() == {f"{lab.address}:80", S1, S2, S3}
    for name, counted in found.items():
        for counter, value in counted.items():
            assert before[name][counter] <= value <= after[name][counter], (name, counter)
    # requests come all the time, one real server after the other
    assert all(found[name]["connections"] > before[name]["connections"] for name in found)
    saved = r1.table()[f"{lab.address}:80"]
    assert server["scheduler"] == saved.scheduler
    for real in server["real_servers"]:
        name = f"{real['address']}:{real['port']}"
        assert real["weight"] == saved.destinations[name]
        assert saved.forwarding == {real["forwarding"]}
        assert (real["verdict"], real["in_table"], real["configured"]) == ("up", True, 1)
        assert real["flow"]["active"] + real["flow"]["inactive"] > 0
        assert real["flow"]["rates"]["connections"] > 0
        assert real["flow"]["rates"]["bytes_in"] > 0
    shown = r1.ask("table")
    assert shown.returncode == 0, shown.stderr
    for name in (S1, S2, S3):
        assert re.search(rf"^  {re.escape(name)} +DR +1 +\d+ +\d+ ", shown.stdout, re.MULTILINE), shown.stdout


def test_a_plan_changes_nothing_and_what_it_says_is_what_is_done(lab: Lab) -> None:
    r1 = lab.vipbus("r1")
    nothing = r1.ask("plan")
    assert (nothing.returncode, nothing.stderr) == (0, ""), nothing.stdout
    assert "router r1: nothing to do as desired now" in nothing.stdout
    usual = r1.configuration.read_text()
    file = r1.directory / "new.conf"
    file.write_text(another(usual, lab.address))
    logged = len(r1.log.read_text().splitlines())
    table = r1.namespace.run("ipvsadm", "-Sn")
    planned = r1.ask("plan", "--config", str(file), "--json")
    assert planned.returncode == 1, planned.stderr
    assert r1.namespace.run("ipvsadm", "-Sn") == table
    assert operations(r1, logged) == []
    (plan,) = json.loads(planned.stdout)
    expected = [each["text"] for pool in plan["pools"] for each in pool["operations"]]
    assert sorted(expected) == sorted(
        (
            f"add destination {NEW} to TCP {lab.address}:80 weight 0",
            f"edit destination {S2} of TCP {lab.address}:80 weight 3 DR",
            f"edit destination {S3} of TCP {lab.address}:80 weight 0 DR",
            f"add service TCP {lab.address}:81 scheduler wlc persistent 300",
            f"add destination 10.9.0.21:81 to TCP {lab.address}:81 weight 5",
        )
    )
    try:
        r1.configuration.write_text(file.read_text())
        r1.reload()
        eventually(
            lambda: (
                {service.address: service.destinations | {S3: 0} for service in r1.table().values()}
                == {
                    f"{lab.address}:80": {S1: 1, S2: 3, NEW: 0, S3: 0},
                    f"{lab.address}:81": {"10.9.0.21:81": 5, S3: 0},
                }
            ),
            "the file is applied",
            within=60,
        )
        eventually(lambda: len(operations(r1, logged)) >= len(expected), "all is logged", within=30)
        drained = f"delete destination {S3} from TCP {lab.address}:80"
        assert sorted(each for each in operations(r1, logged) if each != drained) == sorted(expected)
        eventually(
            lambda: r1.ask("plan", "--config", str(file)).returncode == 0,
            "and nothing is left to do",
            within=30,
        )
    finally:
        r1.configuration.write_text(usual)
        r1.reload()
    lab.settled("r1")


def another(configuration: str, address: str) -> str:
    """Change a configuration: s2 weighs more, s3 goes, one comes that gets no traffic, and a service more."""
    head, s3, rest = configuration.partition("    real_server 10.9.0.23 80")
    assert s3
    block, closing, _ = rest.partition("\n    }\n")
    assert closing
    assert block.count("{") == 2
    second = "real_server 10.9.0.22 80 {\n        weight "
    assert f"{second}1\n" in head
    return (
        head.replace(f"{second}1\n", f"{second}3\n")
        + "    real_server 10.9.0.24 80 {\n        weight 0\n    }\n}\n"
        + f"virtual_server {address} 81 {{\n    lb_algo wlc\n    lb_kind DR\n    protocol TCP\n"
        + "    persistence_timeout 300\n    real_server 10.9.0.21 81 {\n        weight 5\n    }\n}\n"
    )


def operations(router: Vipbus, after: int) -> list[str]:
    """Give the operations that the programmer has logged since so many lines."""
    lines = router.log.read_text(errors="replace").splitlines()[after:]
    found = [OPERATION.search(line) for line in lines if "ipvs-programmer" in line]
    return [match[1] for match in found if match]
