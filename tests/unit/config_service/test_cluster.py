"""Routers that want the same as much, where the configurations of several are known."""

from __future__ import annotations

import pytest

from config_service import sources as sources_
from config_service.cluster import Side, ties
from config_service.native.document import read
from config_service.problems import Problem
from tests.unit.config_service.support import compiled, instance, the_instance


def told(first: str, second: str) -> list[str]:
    sides = [Side("lb-a", [the_instance(first)]), Side("lb-b", [the_instance(second)])]
    return [f"{tie.router} {tie.text}" for tie in ties(sides)]


@pytest.mark.parametrize(
    ("first", "second", "start"),
    [
        ((), (), "lb-b 100 is the priority of VI_1 on lb-a, too: when both start, the higher IP address"),
        (("priority 255",), ("priority 255",), "lb-b 255 is the priority of VI_1 on lb-a, too: both own the"),
        (("interface eth0",), ("interface ens3",), "lb-b 100 is"),
        (("nopreempt",), (), "lb-b 100 is"),
        (("nopreempt",), ("nopreempt",), ""),
        (("priority 150",), (), ""),
        (("virtual_router_id 7",), (), ""),
        (("virtual_ipaddress { 10.9.0.7 }",), (), ""),
        (("virtual_ipaddress { 10.9.0.7", "10.9.0.1 }"), (), "lb-b 100 is"),
        (("mcast_dst_ip 224.0.0.99",), (), ""),
        (("unicast_peer { 10.9.0.3 }",), (), ""),
        (("unicast_peer { 10.9.0.3 }",), ("unicast_peer { 10.9.0.2 }",), "lb-b 100 is"),
        (("no_virtual_ipaddress",), (), ""),
    ],
)
def test_a_priority_tie(first: tuple[str, ...], second: tuple[str, ...], start: str) -> None:
    found = told(*(_whole(lines) for lines in (first, second)))
    assert len(found) == bool(start)
    assert "".join(found).startswith(start)


def _whole(lines: tuple[str, ...]) -> str:
    text = instance(*lines)
    return text.replace("virtual_ipaddress { 10.9.0.1 }", "") if "no_virtual_ipaddress" in lines else text


DOCUMENT = """\
[[vrrp_instance]]
name = "VI_1"
interface = "eth0"
virtual_router_id = 51
priority = 150
virtual_ipaddress = ["10.9.0.1/24"]

[router.lb-a.vrrp_instance.VI_1]
interface = "ens3"

[router.lb-b.vrrp_instance.VI_1]
priority = 150
"""


@pytest.mark.parametrize(
    ("router", "lines"),
    [
        ("lb-a", ["5: vrrp_instance[0].priority: 150 is the priority of VI_1 on lb-b, too: "]),
        ("lb-b", ["12: router.lb-b.vrrp_instance.VI_1.priority: 150 is the priority of VI_1 on lb-a, too: "]),
    ],
)
def test_a_tie_in_one_document(router: str, lines: list[str]) -> None:
    warnings: list[Problem] = []
    read(DOCUMENT, "v.toml", router, str, warnings)
    found = [f"{one.line}: {one.text}" for one in warnings]
    assert len(found) == len(lines)
    for text, start in zip(found, lines, strict=True):
        assert text.startswith(start)


def test_what_is_wrong_with_another_router_is_told_to_that_one() -> None:
    warnings: list[Problem] = []
    read(DOCUMENT.replace('"ens3"', '"ens3"\npriority = "x"'), "v.toml", "lb-b", str, warnings)
    assert warnings == []


def test_a_tie_of_the_files_that_are_served() -> None:
    sources = [sources_.source(f"{name}=x.conf", None) for name in ("lb-a", "lb-b", "lb-c")]
    for one, text in zip(
        sources, (instance("priority 90"), instance("state BACKUP", "priority 90")), strict=False
    ):
        one.accepted = compiled(text, router=one.router)
    (found,) = sources_.ties_of(sources)
    assert found.startswith("x.conf:3: priority: 90 is the priority of VI_1 on lb-a, too: when both start")
