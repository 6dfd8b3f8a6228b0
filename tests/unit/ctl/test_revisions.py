"""Revisions as they are written for people, who holds them, and what is sent of a file."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from ctl import revision_ask, revision_render
from ctl.answers import RouterHolds
from ctl.parameters import DURATION
from ctl.revision_wait import holds, words
from vipbus.contracts import Condition, Head
from vipbus.contracts.config_commands import (
    ConfigBundle,
    ConfigDiff,
    ConfigFile,
    ConfigHistory,
    ConfigResult,
    DiffConfig,
    EntityChange,
    FieldChange,
)
from vipbus.contracts.revisions import RevisionNote

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOTE = RevisionNote(
    router="r1",
    revision=7,
    at=NOW,
    by="ann\x1b[31m@lb1",
    how="apply",
    source="/etc/lb.conf",
    why="two\nlines",
    entities=5,
    digest="d",
    added=1,
    base=7,
)


def said(service: str, router: str | None, **revisions: int) -> Condition:
    return Condition(
        service=service,
        router=router,
        instance_id="1",
        version="0",
        pid=1,
        started=NOW,
        ready=True,
        revisions=tuple(revisions.items()),
    )


@pytest.mark.parametrize(
    ("found", "done", "line"),
    [
        ([], False, "nobody who would work from it answers"),
        ([said("config-service", None, r1=7)], False, "nobody who would work from it answers"),
        (
            [said("vrrp-agent", "r1", r1=7), said("health-prober", None, r1=8, r2=1)],
            True,
            "hold revision 7",
        ),
        ([said("vrrp-agent", "r1", r1=6)], False, "NOT HELD by vrrp-agent (6)"),
        (
            [said("vrrp-agent", "r1"), said("ipvs-programmer", "r1", r1=7)],
            False,
            "vrrp-agent (none)",
        ),
        # another router's says nothing
        (
            [said("vrrp-agent", "r2", r2=7), said("vrrp-agent", "r1", r1=7)],
            True,
            "vrrp-agent holds",
        ),
    ],
)
def test_who_holds_a_revision(found: list[Condition], done: bool, line: str) -> None:
    result: RouterHolds = holds("r1", 7, found)
    assert result.done == done
    assert line in words(result)


def test_nothing_of_a_note_moves_the_cursor_or_the_lines() -> None:
    history = ConfigHistory(router="r1", revision=7, on_trial=7, revisions=(NOTE,))
    lines = list(revision_render.history(history, NOW))
    assert len(lines) == 3
    assert "ON TRIAL" in lines[0]
    assert not any("\x1b" in line or "\n" in line for line in lines)


def test_a_diff_that_is_too_large_says_how_much_is_left_out() -> None:
    change = EntityChange(
        what="changed",
        kind="real-server",
        name="10.9.1.21:80 of 10.9.0.1:80 TCP",
        key="k",
        fields=(FieldChange(name="weight", before="1", after="2"),),
        origin="docker web-1",
    )
    found = ConfigDiff(router="r1", revision=7, source="x.conf", changed=3, changes=(change,), left_out=2)
    lines = list(revision_render.diff(found))
    assert lines[1:] == [
        "  ~ real-server 10.9.1.21:80 of 10.9.0.1:80 TCP (docker web-1)",
        "      weight: 1 -> 2",
        "  2 changes more LEFT OUT: too many to tell",
    ]
    nothing = msgspec.structs.replace(found, changed=0, changes=(), left_out=0)
    assert list(revision_render.diff(nothing)) == ["router r1: x.conf says what runs (revision 7)"]


def test_what_became_of_a_change() -> None:
    result = ConfigResult(accepted=True, router="r1", revision=7)
    assert revision_render.result(result) == "r1: nothing changes, revision 7 says that already"
    trial = msgspec.structs.replace(NOTE, back_to=6, confirm_by=NOW + timedelta(seconds=60))
    said = revision_render.result(msgspec.structs.replace(result, note=trial))
    assert said.startswith(
        "r1: revision 7 runs (1 added, 0 changed, 0 removed); it goes back to revision 6 at"
    )
    stays = msgspec.structs.replace(trial, confirmed=NOW)
    assert revision_render.result(msgspec.structs.replace(result, note=stays)) == "r1: revision 7 stays"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60s", 60), ("90", 90), ("5min", 300), ("1.5h", 5400), ("500ms", 0.5), ("1d", 86400), ("0", 0)],
)
def test_a_time_on_trial(text: str, seconds: float) -> None:
    assert DURATION.convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "s", "-5s", "5 parsecs", "1e3s", "nan", "inf", "32d", "5m5", "\u0661s"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(Exception, match="is no time; write 60s, 5min or 1h"):
        DURATION.convert(text, None, None)


@pytest.mark.parametrize(("secrets", "asked_for"), [(False, [None, "text"]), (True, [None])])
def test_text_is_sent_only_where_it_is_needed_and_may_be(
    monkeypatch: pytest.MonkeyPatch, secrets: bool, asked_for: list[str | None]
) -> None:
    sent: list[str | None] = []

    async def bundle(_file: Path, _router: str) -> ConfigBundle:
        return ConfigBundle(files=(ConfigFile(name="/x", digest="d", text="text"),), secrets=secrets)

    async def ask(_bus: object, _router: str, _verb: str, asked: DiffConfig, _kind: object) -> ConfigDiff:
        sent.append(asked.files[0].text)
        return ConfigDiff(router="r1", revision=1, wants_text=asked.files[0].text is None)

    monkeypatch.setattr(revision_ask, "bundle_of", bundle)
    monkeypatch.setattr(revision_ask, "ask", ask)
    head = Head(router="r1", revision=1, entities=0, digest="", source="", accepted_at=NOW)

    async def do() -> None:
        await revision_ask.ask_with_files(
            None,  # type: ignore[arg-type]  # nothing is asked on it here
            head,
            "diff",
            Path("/x"),
            (lambda files: DiffConfig(files=files), ConfigDiff),
        )

    if secrets:
        with pytest.raises(
            revision_ask.NotAnsweredError, match="holds passwords, which do not cross the bus"
        ):
            asyncio.run(do())
    else:
        asyncio.run(do())
    assert sent == asked_for
