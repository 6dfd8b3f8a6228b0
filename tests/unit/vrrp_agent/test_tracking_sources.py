"""What the last words of sources mean for an instance: a table, most of it seen with keepalived."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipbus.contracts import Track
from vipbus.contracts.vrrp import TrackKind
from vrrp_agent.tracking.sources import Sources, SourceSeen


def track(name: str = "s1", kind: TrackKind = "script", weight: int = 0, *, reverse: bool = False) -> Track:
    return Track(kind=kind, name=name, weight=weight, reverse=reverse)


def seen(up: bool | None, value: int = 0, **changes: Any) -> SourceSeen:
    base: dict[str, Any] = {"kind": "script", "name": "s1", "cause": "exit status 1"}
    return SourceSeen(**{**base, **changes, "up": up, "value": value})


@pytest.mark.parametrize(
    ("weight", "reverse", "up", "faulty", "adds"),
    [
        (0, False, True, False, 0),
        (0, False, False, True, 0),
        (0, False, None, False, 0),
        (0, True, True, True, 0),
        (0, True, False, False, 0),
        (0, True, None, False, 0),
        (10, False, True, False, 10),
        (10, False, False, False, 0),
        (10, False, None, False, 0),
        (-10, False, True, False, 0),
        (-10, False, False, False, -10),
        (-10, False, None, False, 0),
        # seen with keepalived 2.2.7: P10R, M10R
        (10, True, True, False, -10),
        (10, True, False, False, 0),
        (-10, True, True, False, 0),
        (-10, True, False, False, 10),
    ],
)
@pytest.mark.parametrize("kind", ["interface", "script", "process", "verdict", "service", "bfd"])
def test_up_and_down(
    *, kind: TrackKind, weight: int, reverse: bool, up: bool | None, faulty: bool, adds: int
) -> None:
    sources = Sources()
    sources.see(seen(up, kind=kind))
    found = sources.tracked([track(kind=kind, weight=weight, reverse=reverse)])
    assert (bool(found.faults), found.weight, found.waiting) == (faulty, adds, ())
    assert [(each.up, each.weight, each.cause) for each in found.states] == [(up, adds, "exit status 1")]


@pytest.mark.parametrize(
    ("weight", "reverse", "value", "faulty", "adds"),
    [
        (0, False, 0, False, 0),
        (0, False, 3, True, 0),
        (0, False, -3, True, 0),
        (0, True, 0, True, 0),
        (0, True, 3, False, 0),
        (1, False, 5, False, 5),
        (1, False, -7, False, -7),
        (2, True, 3, False, -6),
        (2, True, -5, False, 10),
        (1, False, -253, False, -253),
        (1, False, -254, True, 0),
        (1, False, -255, True, 0),
        (1, True, 300, True, 0),
        (1, False, 300, False, 253),
        (253, False, 2**31 - 1, False, 253),
        (-253, False, 2**31 - 1, True, 0),
    ],
)
def test_files(weight: int, reverse: bool, value: int, faulty: bool, adds: int) -> None:
    sources = Sources()
    sources.see(seen(True, value, kind="file"))
    found = sources.tracked([track(kind="file", weight=weight, reverse=reverse)])
    assert (bool(found.faults), found.weight, found.states[0].up) == (faulty, adds, not faulty)


def test_they_add_up_and_are_not_clamped() -> None:
    sources = Sources()
    sources.see(seen(True, kind="interface", name="eth1"))
    sources.see(seen(False, name="s1"))
    sources.see(seen(True, 300, kind="file", name="f"))
    tracks = [track("eth1", "interface", 200), track("s1", weight=-20), track("f", "file", 1)]
    assert sources.tracked(tracks).weight == 200 - 20 + 253
    assert [each.weight for each in sources.tracked(tracks).states] == [200, -20, 253]


def test_a_fault_names_the_source_and_its_cause() -> None:
    sources = Sources()
    sources.see(seen(False))
    sources.see(seen(True, kind="service", name="haproxy", cause=""))
    sources.see(seen(True, 3, kind="file", name="f"))
    faults = sources.tracked([track(), track("haproxy", "service", reverse=True), track("f", "file")]).faults
    assert faults == (
        "script s1 is down: exit status 1",
        "service haproxy is up, which is a fault here (reverse)",
        "file f holds 3",
    )


def test_who_has_said_nothing_is_waited_for_where_it_could_be_a_fault() -> None:
    sources = Sources()
    tracks = [track("a"), track("b", weight=5), track("c", "process")]
    assert sources.tracked(tracks).waiting == ("script a", "process c")
    assert sources.tracked(tracks).faults == ()
    sources.see(seen(None, name="a", cause="it cannot be run"))
    assert sources.tracked(tracks).waiting == ("process c",)


def test_only_another_word_is_news() -> None:
    sources = Sources()
    assert [sources.see(seen(up)) for up in (True, True, False, False)] == [True, False, True, False]


def test_what_nobody_tracks_is_forgotten() -> None:
    sources = Sources()
    sources.see(seen(False))
    sources.see(seen(False, name="s2"))
    sources.keep_only([track("s2")])
    assert sources.tracked([track("s1")]).waiting == ("script s1",)
    assert sources.tracked([track("s2")]).faults != ()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["script", "file", "process"]),
            st.integers(-254, 254),
            st.booleans(),
            st.sampled_from([True, False, None]),
            st.integers(-(2**31) + 1, 2**31 - 1),
        ),
        max_size=6,
    )
)
def test_a_source_is_a_fault_or_has_a_weight_never_both(
    cases: list[tuple[TrackKind, int, bool, bool | None, int]],
) -> None:
    sources = Sources()
    tracks = []
    for number, (kind, weight, reverse, up, value) in enumerate(cases):
        tracks.append(track(str(number), kind, weight, reverse=reverse))
        sources.see(seen(up, value, kind=kind, name=str(number)))
    found = sources.tracked(tracks)
    assert found.weight == sum(each.weight for each in found.states)
    for each, state in zip(tracks, found.states, strict=True):
        alone = sources.tracked([each])
        assert len(alone.faults) <= (state.weight == 0)
        assert abs(state.weight) <= 254
        assert state.up is not None or not alone.faults
