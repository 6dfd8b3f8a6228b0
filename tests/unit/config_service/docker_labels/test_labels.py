"""Labels become a member, or one line that says what is wrong and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from config_service.docker_labels.containers import LABEL, Network
from config_service.docker_labels.labels import Member, Refused, member_of
from tests.unit.config_service.docker_labels.made import LABELS, SERVERS, container

FRONT = Network("shop_front", "10.91.1.130", 24)


def test_three_labels_make_a_member() -> None:
    found = member_of(container(labels={**LABELS, "vipbus.weight": " 5 "}))
    assert found == Member(
        container="web-1", virtual_server="10.91.1.100:80", port=8080, weight=5, networks=(SERVERS,)
    )


def test_port_and_weight_may_be_left_to_the_pool() -> None:
    found = member_of(container(labels={LABEL: "web"}))
    assert isinstance(found, Member)
    assert (found.port, found.weight) == (None, None)


def test_who_is_unhealthy_is_a_member_that_says_so() -> None:
    found = member_of(container(health="unhealthy"))
    assert isinstance(found, Member)
    assert found.unhealthy


@pytest.mark.parametrize("name", ["shop_front", "front", " front "])
def test_a_network_is_named_as_docker_does_or_as_compose_does(name: str) -> None:
    found = member_of(
        container(labels={**LABELS, "vipbus.network": name}, project="shop", networks=(SERVERS, FRONT))
    )
    assert isinstance(found, Member)
    assert found.networks == (FRONT,)


@pytest.mark.parametrize("mode", ["host", "container:80c4", "none"])
def test_an_address_helps_where_there_is_no_network(mode: str) -> None:
    said = {**LABELS, "vipbus.address": "192.0.2.7"}
    found = member_of(container(labels=said, mode=mode, networks=(Network("host"),)))
    assert isinstance(found, Member)
    assert found.networks == (Network("vipbus.address", "192.0.2.7"),)


HUGE = "9" * 1_000_000


@pytest.mark.parametrize(
    ("labels", "said", "text"),
    [
        ({"vipbus.port": "0"}, {}, "label vipbus.port is '0'; write a number of 1 to 65535"),
        ({"vipbus.port": "65536"}, {}, "label vipbus.port is '65536'; write a number of 1 to 65535"),
        ({"vipbus.port": "http"}, {}, "label vipbus.port is 'http'; write a number of 1 to 65535"),
        ({"vipbus.port": ""}, {}, "label vipbus.port is ''; write a number of 1 to 65535"),
        ({"vipbus.port": "٨٠"}, {}, "label vipbus.port is '٨٠'; write a number of 1 to 65535"),
        ({"vipbus.weight": "-1"}, {}, "label vipbus.weight is '-1'; write a number of 0 to 65535"),
        ({"vipbus.weight": "1e3"}, {}, "label vipbus.weight is '1e3'; write a number of 0 to 65535"),
        ({"vipbus.weight": "70000"}, {}, "label vipbus.weight is '70000'; write a number of 0 to 65535"),
        (
            {"vipbus.wieght": "1"},
            {},
            "there is no label 'vipbus.wieght'; did you mean vipbus.weight?",
        ),
        (
            {LABEL: " "},
            {},
            "label vipbus.virtual-server is empty; name a virtual server, its group or its address",
        ),
        (
            {LABEL: HUGE},
            {},
            f"label vipbus.virtual-server has '{HUGE[:60]}...', which can mean nothing; write one short line",
        ),
        (
            {LABEL: "a\nb"},
            {},
            "label vipbus.virtual-server has 'a\\nb', which can mean nothing; write one short line",
        ),
        (
            {f"vipbus.{HUGE}": "1"},
            {},
            f"there is no label 'vipbus.{HUGE[:53]}...'; did you mean vipbus.port?",
        ),
        (
            {"vipbus.network": "back"},
            {},
            "label vipbus.network is 'back', and it is in no such network; it is in servers",
        ),
        (
            {"vipbus.address": "10.9.0.300"},
            {},
            "label vipbus.address is '10.9.0.300', which is no address; write one, or remove it",
        ),
        (
            {},
            {"mode": "host", "networks": (Network("host"),)},
            "it uses its host's network; say which address that is by label vipbus.address",
        ),
        (
            {},
            {"mode": "container:80c4", "networks": ()},
            "it uses another container's network; label that one, or say the address by label vipbus.address",
        ),
        (
            {},
            {"mode": "none", "networks": (Network("none"),)},
            "it is in no network; attach it to one that the routers reach",
        ),
    ],
    ids=lambda each: str(each)[:40],
)
def test_what_cannot_be_is_said_in_one_line(labels: dict[str, str], said: dict[str, Any], text: str) -> None:
    found = member_of(container(labels={**LABELS, **labels}, **said))
    assert isinstance(found, Refused)
    assert found.text.startswith(f"container web-1: {text[:80]}")
    assert "\n" not in found.text
    assert len(found.text) < 250
