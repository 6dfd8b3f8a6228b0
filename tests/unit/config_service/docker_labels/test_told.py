"""What is told of containers."""

from __future__ import annotations

from config_service.docker_labels.labels import Refused
from config_service.docker_labels.overlay import Laid
from config_service.docker_labels.told import MOST, changes, problems
from config_service.docker_labels.view import Members
from tests.unit.config_service.docker_labels.made import member


def laid(*unknown: str, refused: tuple[Refused, ...] = (), held: tuple[tuple[str, str], ...] = ()) -> Laid:
    return Laid((), refused, tuple(Refused(name, f"{name} is unknown") for name in unknown), held)


def test_a_pool_that_one_router_has_is_not_unknown() -> None:
    assert problems(Members(), [laid("a", "b"), laid("b")]) == {"b": "b is unknown"}
    assert problems(Members(), []) == {}


def test_a_container_has_one_line_and_the_first_is_that_of_its_labels() -> None:
    labels, pool = Refused("a", "wrong label"), Refused("a", "no place")
    assert problems(Members((), (labels,)), [laid(refused=(pool,))]) == {"a": "wrong label"}
    assert problems(Members(), [laid(refused=(pool,))] * 2) == {"a": "no place"}


def test_a_held_pool_is_told() -> None:
    assert problems(Members(), [laid(held=(("web", "all unhealthy"),))]) == {"pool web": "all unhealthy"}


def test_a_thousand_wrong_ones_are_twenty_lines_and_a_count() -> None:
    many = tuple(Refused(f"c{number:04}", "wrong") for number in range(1000))
    told = problems(Members((), many), [])
    assert len(told) == MOST + 1
    assert told["others"] == "980 more containers are no real servers; put these right first"


def test_who_came_went_and_changed() -> None:
    before = Members((member("a"), member("b"), member("c")))
    after = Members((member("b", weight=2), member("c"), *(member(f"d{n}") for n in range(5))))
    assert changes(before, after) == "docker: d0, d1, d2 and 2 more in; a out; b changed"
    assert changes(None, Members()) == "docker: no containers"
