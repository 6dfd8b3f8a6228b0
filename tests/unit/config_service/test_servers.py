"""One real server more, less or heavier, in what an operator has said."""

from __future__ import annotations

import re

import pytest

from config_service.past import entities_of
from config_service.revise import Desired, desire
from config_service.servers import changed_server
from tests.unit.config_service.support import compiled
from vipbus.contracts import Entity, RealServer, entity_count, revision_digest
from vipbus.contracts.config_commands import ChangeServer

TEXT = """\
virtual_server 10.9.0.1 80 {
    lb_kind NAT
    protocol TCP
    real_server 10.9.1.21 8080 {
        weight 3
        TCP_CHECK { connect_port 9000 }
    }
    real_server 10.9.1.22 8080 {
        HTTP_GET {
            url {
                path /
                status_code 200
            }
        }
    }
}
virtual_server 10.9.0.2 53 {
    lb_kind DR
    protocol UDP
    real_server 10.9.1.31 53 { }
}
"""
BASE = desire(compiled(TEXT), "start")


def change(verb: str, virtual: str, real: str, weight: int | None = None, like: str = "") -> Desired:
    return changed_server(
        BASE,
        ChangeServer(
            verb=verb,  # type: ignore[arg-type]  # one of them
            virtual_server=virtual,
            real_server=real,
            weight=weight,
            like=like,
            by="ann@lb1",
            why="tests",
        ),
    )


def new(desired: Desired) -> list[Entity]:
    before = tuple(entities_of(BASE.bodies))
    return [each for each in entities_of(desired.bodies) if each not in before]


@pytest.mark.parametrize(
    ("virtual", "real", "like", "made"),
    [
        # a check that goes to a port of its own stays there
        ("10.9.0.1:80", "10.9.1.23:8081", "", ("10.9.1.23", 8081, 3, [("10.9.1.23", 9000)])),
        (
            "10.9.0.1:80 TCP",
            "10.9.1.23:8081",
            "10.9.1.22:8080",
            ("10.9.1.23", 8081, 1, [("10.9.1.23", 8081)]),
        ),
        # the method leaves the client's port
        ("10.9.0.2", "10.9.1.32", "", ("10.9.1.32", 53, 1, [])),
        ("10-9-0-2_53_udp", "10.9.1.32:99", "", ("10.9.1.32", 53, 1, [])),
    ],
)
def test_add(virtual: str, real: str, like: str, made: tuple[str, int, int, list[tuple[str, int]]]) -> None:
    desired = change("add", virtual, real, like=like)
    (found,) = new(desired)
    assert isinstance(found, RealServer)
    checks = [(check.address, check.port) for check in found.checks]
    assert (found.address, found.port, found.weight, checks) == made
    assert desired.digest == revision_digest(desired.bodies)
    assert (desired.how, desired.by, desired.why, desired.file) == ("server", "ann@lb1", "tests", BASE.file)


def test_remove_and_weigh() -> None:
    removed = change("remove", "10.9.0.1:80", "10.9.1.22:8080")
    assert (new(removed), entity_count(removed.bodies)) == ([], entity_count(BASE.bodies) - 1)
    assert removed.digest == revision_digest(removed.bodies)
    (found,) = new(change("set-weight", "10.9.0.1:80", "10.9.1.21:8080", 0))
    assert isinstance(found, RealServer)
    assert found.weight == 0
    # what is so already is no change
    assert change("set-weight", "10.9.0.1:80", "10.9.1.21:8080", 3).digest == BASE.digest


@pytest.mark.parametrize(
    ("verb", "virtual", "real", "why"),
    [
        (
            "add",
            "10.9.0.9:80",
            "10.9.1.23:80",
            "no virtual server is '10.9.0.9:80'; there is",
        ),
        ("add", "", "10.9.1.23:80", "no virtual server is ''"),
        ("add", "10.9.0.1:80", "10.9.1.21:8080", "10.9.1.21:8080 is in the pool of 10.9.0.1:80 TCP already"),
        ("add", "10.9.0.1:80", "10.9.1.23", "10.9.1.23 has no port; write ADDRESS:PORT"),
        ("add", "10.9.0.1:80", "web", "'web' is no ADDRESS:PORT"),
        ("add", "10.9.0.1:80", "10.9.1.23:80 tcp", "'10.9.1.23:80 tcp' is no ADDRESS:PORT"),
        ("add", "10.9.0.1:80", "[fd00::1]:80", "fd00::1 is IPv6 and the virtual server IPv4"),
        (
            "remove",
            "10.9.0.1:80",
            "10.9.1.29:80",
            "no real server '10.9.1.29:80' in the pool of 10.9.0.1",
        ),
        ("set-weight", "10.9.0.1:80", "10.9.1.21:8080", "a weight is missing"),
    ],
)
def test_what_cannot_be_is_said(verb: str, virtual: str, real: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        change(verb, virtual, real)
