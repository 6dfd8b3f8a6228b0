"""``vipbus table`` says what ipvsadm(8) says; ``plan`` and ``config diff`` say what is then really done."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
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

    def moving() -> bool:
        reals = told(r1, f"{lab.address}:80", "--live")["real_servers"]
        return all(real["flow"]["rates"]["connections"] > 0 for real in reals)

    eventually(moving, "the kernel has estimated the rates, which it does each two seconds", within=60)
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
    assert sorted(expected) == changes(lab.address)
    try:
        r1.configuration.write_text(file.read_text())
        r1.reload()
        eventually(lambda: holds_all(r1, lab.address), "the file is applied", within=60)
        eventually(lambda: done(r1, lab.address, logged) == changes(lab.address), "all is logged", within=30)
        eventually(
            lambda: r1.ask("plan", "--config", str(file)).returncode == 0,
            "and nothing is left to do",
            within=30,
        )
    finally:
        r1.configuration.write_text(usual)
        r1.reload()
    lab.settled("r1")


def test_a_diff_tells_what_the_table_would_get_and_nothing_once_it_is_applied(lab: Lab) -> None:
    r1 = lab.vipbus("r1")
    config, table = differs(r1, r1.configuration, status=0)
    assert (config["changes"], table["pools"]) == ([], [])
    file = r1.directory / "other.conf"
    file.write_text(another(r1.configuration.read_text(), lab.address))
    logged = len(r1.log.read_text().splitlines())
    saved = r1.namespace.run("ipvsadm", "-Sn")

    config, table = differs(r1, file, status=1)
    new, second, third = (f"real-server {each} of {lab.address}:80 TCP" for each in (NEW, S2, S3))
    assert {(each["what"], f"{each['kind']} {each['name']}") for each in config["changes"]} == {
        ("added", new),
        ("changed", second),
        ("removed", third),
        ("added", f"virtual-server {lab.address}:81 TCP"),
        ("added", f"real-server 10.9.0.21:81 of {lab.address}:81 TCP"),
    }
    (weight,) = [each["fields"] for each in config["changes"] if each["what"] == "changed"]
    assert weight == [{"name": "weight", "before": "1", "after": "3"}]
    planned = [each["text"] for pool in table["pools"] for each in pool["operations"]]
    assert sorted(planned) == changes(lab.address)
    printed = r1.ask("config", "diff", str(file))
    assert printed.returncode == 1, printed.stderr
    assert "in the kernel's table, router r1: " in printed.stdout
    assert all(each in printed.stdout for each in planned), printed.stdout
    assert r1.namespace.run("ipvsadm", "-Sn") == saved, "to look changes nothing"
    assert operations(r1, logged) == []

    try:
        applied = r1.ask("config", "apply", str(file), "--wait")
        assert applied.returncode == 0, applied.stdout + applied.stderr
        eventually(lambda: holds_all(r1, lab.address), "the file is applied", within=60)
        eventually(lambda: done(r1, lab.address, logged) == changes(lab.address), "all is logged", within=30)
        eventually(
            lambda: r1.ask("config", "diff", str(file)).returncode == 0,
            "nothing differs",
            within=30,
            every=0.5,
        )
        config, table = differs(r1, file, status=0)
        assert (config["changes"], table["pools"]) == ([], [])
        assert [each["what"] for each in differs(r1, r1.configuration, status=1)[0]["changes"]]
    finally:
        back = r1.ask("config", "apply", str(r1.configuration), "--wait")
    assert back.returncode == 0, back.stdout + back.stderr
    lab.settled("r1")


def differs(router: Vipbus, file: Path, *, status: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Ask for the difference that a file makes: to the configuration, and to the kernel's table."""
    said = router.ask("config", "diff", str(file), "--json")
    assert said.returncode == status, said.stdout + said.stderr
    (answer,) = json.loads(said.stdout)
    return answer["config"], answer["table"]


def changes(address: str) -> list[str]:
    """Give the operations that make the table another's."""
    return sorted(
        (
            f"add destination {NEW} to TCP {address}:80 weight 0",
            f"edit destination {S2} of TCP {address}:80 weight 3 DR",
            f"edit destination {S3} of TCP {address}:80 weight 0 DR",
            f"add service TCP {address}:81 scheduler wlc persistent 300",
            f"add destination 10.9.0.21:81 to TCP {address}:81 weight 5",
        )
    )


def holds_all(router: Vipbus, address: str) -> bool:
    """Say whether the table is another's; s3 may still be there with its last connections."""
    return {service.address: service.destinations | {S3: 0} for service in router.table().values()} == {
        f"{address}:80": {S1: 1, S2: 3, NEW: 0, S3: 0},
        f"{address}:81": {"10.9.0.21:81": 5, S3: 0},
    }


def done(router: Vipbus, address: str, after: int) -> list[str]:
    """Give what was logged since so many lines, but for s3's end, whenever that comes."""
    drained = f"delete destination {S3} from TCP {address}:80"
    return sorted(each for each in operations(router, after) if each != drained)


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
