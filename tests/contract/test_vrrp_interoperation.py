"""vrrp-agent and keepalived on one network, from one keepalived.conf, in either role.

The table: version x family x multicast or unicast x virtual MAC x authentication, in each way to preempt,
alone and in sync groups. Each story (`tests.support.interop_story`) takes two routers through a start, a
takeover, a crash, a return, a cut cable and a stop, with a third of the cases in it, and looks at roles,
addresses, the neighbour's entries and the counters of both sides. What needs two different files stands in
`tests.support.interop_scenarios`. ``v3_checksum_as_v2`` and ``auth_hmac`` are newer than the keepalived that
is here (2.2.7) and cannot be shown against it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Lock

import pytest

from tests.support.interop_cases import CASES, Case, Preempt
from tests.support.interop_scenarios import SCENARIOS, Scenario
from tests.support.interop_side import Kind
from tests.support.interop_story import Story
from tests.support.vrrp import needs_root

# a story's first case waits for all of it, and a busy machine has few at a time
pytestmark = [needs_root, pytest.mark.timeout(600)]

_AT_ONCE = 4
"""Stories; what they do is wait, mostly."""
_AGAIN = Lock()
"""One at a time is played again."""
_WAYS: tuple[Preempt, ...] = ("preempt", "nopreempt", "delay")
_PAIRS: tuple[tuple[Kind, Kind], ...] = (("vipbus", "keepalived"), ("keepalived", "vipbus"))
"""Who has the lower priority and who the higher."""


def _third(which: int) -> list[Case]:
    # by identifier: those of both families that have the same one stay together
    return [case for case in CASES if case.vrid % 3 == which]


def _stories() -> list[Story]:
    found = []
    turn = count()
    for grouped in (True, False):  # the long ones first
        for low, high in _PAIRS:
            found += [Story(_third(next(turn) % 3), low, high, way, grouped=grouped) for way in _WAYS]
            next(turn)  # another third of them in another pair
    evens = [case for case in CASES if case.vrid % 2 == 0]
    odds = [case for case in CASES if case.vrid % 2]
    found.append(Story(evens, "vipbus", "vipbus", "preempt", grouped=True))
    found.append(Story(odds, "vipbus", "vipbus", "preempt", grouped=False))
    return found


STORIES = _stories()
TABLE = [
    pytest.param(story, case, id=f"{story.name}-{case.name}") for story in STORIES for case in story.cases
]


def _play(each: Story | Scenario, directory: Path, prefix: str) -> None:
    """Play it, and once more if something went wrong (docs/decisions.md, 50): then that is what counts."""
    try:
        each.run(directory / "first", prefix)
        failed = each.failed if isinstance(each, Story) else ""
    except Exception as error:
        failed = repr(error)
    if failed:
        warnings.warn(f"{each.name} is played again, since at first: {failed}", stacklevel=1)
        with _AGAIN:
            each.run(directory / "second", prefix)


@pytest.fixture(scope="module")
def told(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[None]]]:
    """Play the stories of the cases that were asked for, several at once."""
    directory = tmp_path_factory.mktemp("interop")
    stories: dict[Story, set[str]] = {}
    asked: list[Story | Scenario] = []
    for item in request.session.items:
        if isinstance(item, pytest.Function) and item.module is request.module and hasattr(item, "callspec"):
            match item.callspec.params:
                case {"story": Story() as story, "case": Case() as case}:
                    stories.setdefault(story, set()).add(case.name)
                case {"scenario": Scenario() as scenario}:
                    asked.append(scenario)
    for story, names in stories.items():
        story.only(names)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        running = {
            each.name: pool.submit(_play, each, directory / each.name, f"s{number}")
            for number, each in enumerate((*stories, *asked))
        }
        yield running
        for future in running.values():
            future.cancel()


@pytest.mark.parametrize(("story", "case"), TABLE)
def test_two_routers_understand_each_other(told: dict[str, Future[None]], story: Story, case: Case) -> None:
    told[story.name].result()
    failures = story.failures[case.name]
    assert not failures, "\n".join((story.name, *failures))


@pytest.mark.parametrize(
    "scenario",
    [Scenario(play, kinds) for play in SCENARIOS for kinds in _PAIRS],
    ids=lambda scenario: scenario.name,
)
def test_two_routers_that_differ(told: dict[str, Future[None]], scenario: Scenario) -> None:
    told[scenario.name].result()


def test_the_stories_have_every_case_in_both_roles_grouped_and_alone_and_in_every_way_to_preempt() -> None:
    mixed = [story for story in STORIES if "keepalived" in story.name]
    seen = {(case.name, what) for story in mixed for case in story.cases for what in story.traits}
    traits = {what for story in mixed for what in story.traits}
    assert len(traits) == 2 + 2 + 3
    assert {(case.name, what) for case in CASES for what in traits} - seen == set()
