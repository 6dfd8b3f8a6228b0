"""What happens to containers, as stories: who is in the set after each event."""

from __future__ import annotations

import signal
from datetime import timedelta
from typing import Any

import pytest

from config_service.docker_labels.containers import Container
from config_service.docker_labels.view import View
from tests.unit.config_service.docker_labels.made import LABELS, START, container, event

TERM, KILL, HUP, QUIT = signal.SIGTERM, signal.SIGKILL, signal.SIGHUP, signal.SIGQUIT


def names(view: View) -> list[str]:
    return [each.container for each in view.members.members]


def listed(*containers: Container) -> View:
    view = View()
    view.listed(containers or (container(),))
    return view


@pytest.mark.parametrize(
    ("said", "is_in"),
    [
        ({}, True),
        ({"health": "healthy"}, True),
        ({"health": "starting"}, False),
        ({"health": "unhealthy"}, True),
        ({"paused": True}, False),
        ({"running": False}, False),
        ({"labels": {}}, False),
    ],
)
def test_who_is_in(said: dict[str, Any], is_in: bool) -> None:
    assert names(listed(container(**said))) == ["web-1"] * is_in


@pytest.mark.parametrize(
    ("number", "stop_signal", "is_in"),
    [
        (TERM, TERM, False),
        (KILL, TERM, False),
        (HUP, TERM, True),
        (signal.SIGUSR1, TERM, True),
        (QUIT, TERM, True),
        (QUIT, QUIT, False),  # nginx
        (signal.SIGWINCH, signal.SIGWINCH, False),  # httpd
        (TERM, QUIT, False),
        (0, TERM, True),
    ],
)
def test_it_leaves_at_the_signal_that_stops_it(number: int, stop_signal: int, is_in: bool) -> None:
    view = listed(container(stop_signal=stop_signal))
    assert not view.heard(event("kill", signal=number)), "an inspection would show nothing yet"
    assert names(view) == ["web-1"] * is_in


def test_it_stays_out_while_it_takes_its_time_to_stop() -> None:
    view = listed()
    view.heard(event("kill", signal=TERM))
    view.seen("id-web-1", container(health="healthy"))
    assert names(view) == []
    view.listed([container()])
    assert names(view) == [], "a list does not show that it was told to stop"


def test_a_restart_brings_it_back() -> None:
    view = listed()
    view.heard(event("kill", signal=TERM))
    assert view.heard(event("die", after=2))
    assert names(view) == []
    assert view.heard(event("start", after=3))
    view.seen("id-web-1", container(started=START + timedelta(seconds=3)))
    assert names(view) == ["web-1"]
    assert not view.heard(event("kill", after=2, signal=TERM)), "of the life before"
    assert names(view) == ["web-1"]


def test_a_crash_takes_it_out_before_any_inspection() -> None:
    view = listed()
    view.heard(event("die"))
    assert names(view) == []


def test_an_old_death_is_of_another_life() -> None:
    view = listed(container(started=START + timedelta(seconds=9)))
    view.heard(event("die", after=5))
    assert names(view) == ["web-1"]


def test_what_was_said_before_the_list_still_counts() -> None:
    view = listed(container(started=START - timedelta(seconds=60)))
    view.heard(event("kill", after=-5, signal=TERM))
    assert names(view) == []


def test_pause_and_unpause() -> None:
    view = listed()
    assert view.heard(event("pause"))
    view.seen("id-web-1", container(paused=True))
    assert names(view) == []
    assert view.heard(event("unpause"))
    view.seen("id-web-1", container())
    assert names(view) == ["web-1"]


def test_it_vanishes_between_event_and_inspection() -> None:
    view = View()
    view.listed([])
    assert view.heard(event("start"))
    view.seen("id-web-1", None)
    assert view.members.members == ()


def test_strangers_are_not_looked_at() -> None:
    view = listed()
    joined = event("connect", "other")
    stranger = type(joined)(container="id-other", action="start", at=START, labelled=False)
    assert not view.heard(stranger)
    assert not view.heard(event("destroy", "other"))
    assert view.heard(event("connect")), "a labelled one joins another network"


def test_who_is_not_in_a_list_is_gone() -> None:
    view = listed(container(), container("web-2"))
    assert names(view) == ["web-1", "web-2"]
    view.listed([container("web-2")])
    assert names(view) == ["web-2"]


def test_who_cannot_be_a_member_is_named() -> None:
    view = listed(container(), container("bad", {**LABELS, "vipbus.port": "0"}))
    assert names(view) == ["web-1"]
    assert [each.container for each in view.members.refused] == ["bad"]
