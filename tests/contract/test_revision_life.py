"""A revision's life on a real nats-server: apply, conflict, history, show, rollback, one server, a trial."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.revision_site import BY, Site, Story, play, weighing
from tests.contract.test_config_service import GOOD, with_password
from tests.support.nats import NatsServer
from tests.support.waiting import eventually_async
from vipbus.bus import RefusedError, records
from vipbus.contracts import ConfigAccepted, RealServer
from vipbus.contracts.config_commands import ConfigDiff, ConfigFile, DiffConfig, text_digest
from vipbus.runtime import secrets

Run = Callable[[Story], None]


@pytest.fixture
def site(nats_server: NatsServer, tmp_path: Path) -> Run:
    return lambda story: play(nats_server, tmp_path, story)


def test_apply_runs_and_stays_and_says_who(site: Run) -> None:
    async def story(one: Site) -> None:
        one.start()
        await one.reaches(1)
        before = one.revisions()
        result = await one.apply(weighing(5), rests_on=1)
        assert (result.accepted, result.revision, result.reason) == (True, 2, "")
        head = await one.reaches(2)
        assert (head.by, head.how, head.why, head.source) == (BY, "apply", "a test", "/else/where.conf")
        # only what changed was written
        after = one.revisions()
        assert len({key for key in after if after[key] != before.get(key)}) == 2
        assert one.weight() == 5
        accepted = await one.event(ConfigAccepted, 2)
        assert isinstance(accepted, ConfigAccepted)
        assert (accepted.by, accepted.how, accepted.why, accepted.changed) == (BY, "apply", "a test", 1)
        # a file that says what it said takes nothing back, whether it is read by a signal or at a start
        one.send(signal.SIGHUP)
        assert (await one.reload()).revisions == (("r1", 2),)
        assert one.end() == 0
        one.start()
        advice = (await one.condition(lambda found: bool(found.advice), "it says what differs")).advice[0]
        assert f"revision 2 (apply by {BY}: a test) runs on r1, which is not what {one.file} says" in advice
        assert (one.revision(), one.weight()) == (2, 5)
        # one that says something new wins whole
        one.file.write_text(weighing(7))
        await one.reload()
        head = await one.reaches(3)
        assert (head.how, one.weight()) == ("file", 7)
        accepted = await one.event(ConfigAccepted, 3)
        assert isinstance(accepted, ConfigAccepted)
        assert accepted.over == f"revision 2 (apply by {BY}: a test)"
        await one.condition(lambda found: not found.advice, "nothing differs any more")

    site(story)


def test_what_runs_already_is_no_new_revision(site: Run) -> None:
    async def story(one: Site) -> None:
        one.start()
        await one.reaches(1)
        result = await one.apply("# another comment\n" + GOOD)
        assert (result.accepted, result.revision, result.note) == (True, 1, None)
        assert len((await one.history()).revisions) == 1

    site(story)


def test_of_two_that_apply_at_once_one_wins_and_the_other_is_told(site: Run) -> None:
    async def story(one: Site) -> None:
        one.start()
        await one.reaches(1)
        results = await asyncio.gather(*(one.apply(weighing(number), rests_on=1) for number in (5, 6, 7)))
        won = [result for result in results if result.accepted]
        lost = [result for result in results if not result.accepted]
        assert (len(won), len(lost)) == (1, 2)
        for result in lost:
            assert result.conflict == won[0].note
            assert f"revision 2 (apply by {BY}: a test) came meanwhile" in result.reason
        head = await one.reaches(2)
        assert won[0].note is not None
        assert head.digest == won[0].note.digest
        late = await one.apply(weighing(8), rests_on=9)
        assert "there is no revision 9 yet: revision 2 runs" in late.reason

    site(story)


def test_history_show_and_rollback(site: Run) -> None:
    async def story(one: Site) -> None:
        one.start()
        await one.reaches(1)
        await one.apply(weighing(5))
        await one.apply(GOOD[: GOOD.index("    real_server 10.9.1.22")] + "}\n")
        history = await one.history()
        assert [(note.revision, note.how, note.by) for note in history.revisions[:2]] == [
            (3, "apply", BY),
            (2, "apply", BY),
        ]
        assert (history.revision, history.revisions[2].how) == (3, "file")
        assert [(each.added, each.changed, each.removed) for each in history.revisions] == [
            (0, 1, 1),
            (0, 1, 0),
            (5, 0, 0),
        ]
        shown = await one.show(2)
        assert [(each.what, each.name) for each in shown.changes] == [
            ("changed", "10.9.1.21:80 of 10.9.0.100:80 TCP")
        ]
        (field,) = shown.changes[0].fields
        assert (field.name, field.before, field.after) == ("weight", "1", "5")
        # a revision that ran is told whole
        entities = (await one.show(2, entities=True)).entities
        assert [each.weight for each in entities if isinstance(each, RealServer)] == [5, 1]
        assert len((await one.show(1)).changes) == 5
        back = await one.rollback(2, rests_on=3)
        assert (back.accepted, back.revision) == (True, 4)
        head = await one.reaches(4)
        assert (head.how, head.cause, one.weight()) == ("rollback", "rollback to revision 2", 5)
        assert head.digest == (await one.show(2)).note.digest
        # over a restart, with nothing of it in memory
        assert one.end(signal.SIGKILL) == -signal.SIGKILL
        one.start()
        back = await one.rollback(1)
        assert (back.revision, one.weight()) == (5, 1)
        for number in (0, 17):
            refused = await one.rollback(number)
            assert f"revision {number} is not kept; the oldest that can come back is 1" in refused.reason
        with pytest.raises(RefusedError, match="revision 17 is not kept"):
            await one.show(17)

    site(story)


def test_a_refused_file_is_said_with_its_line_and_changes_nothing(site: Run) -> None:
    async def story(one: Site) -> None:
        one.start()
        await one.reaches(1)
        result = await one.apply(GOOD.replace("weight 1", "weight many", 1))
        assert not result.accepted
        assert result.reason.startswith("/else/where.conf:10:16: weight: 'many' is no whole number")
        assert (await one.diff("{")).reason.startswith("/else/where.conf:1:1: ")
        assert one.revision() == 1

    site(story)


def test_a_diff_says_what_an_apply_would_change(site: Run) -> None:
    async def story(one: Site) -> None:
        one.start()
        await one.reaches(1)
        found = await one.diff(weighing(5))
        assert (found.revision, found.added, found.changed, found.removed) == (1, 0, 1, 0)
        assert [each.name for each in found.changes] == ["10.9.1.21:80 of 10.9.0.100:80 TCP"]
        assert (await one.diff(GOOD)).changes == ()
        # the same file on the same host needs no text; another one does
        for text, wanted in ((GOOD, False), (weighing(5), True)):
            file = ConfigFile(name=str(one.file), digest=text_digest(text))
            answer = await one.ask("diff", DiffConfig(files=(file,)), ConfigDiff)
            assert (answer.wants_text, answer.changes) == (wanted, ())

    site(story)


@pytest.mark.parametrize("name", ["/etc/shadow", "/dev/zero", "x\0y", "/", "lb.conf", "/proc/self/mem"])
def test_no_file_of_the_host_is_read_out_by_a_command(site: Run, name: str) -> None:
    async def story(one: Site) -> None:
        one.start()
        await one.reaches(1)
        file = ConfigFile(name=name, digest="0" * 32)
        answer = await one.ask("diff", DiffConfig(files=(file,)), ConfigDiff)
        assert (answer.wants_text, answer.reason) == (True, "")

    site(story)


def test_single_real_servers_come_go_and_weigh(site: Run) -> None:
    async def story(one: Site) -> None:
        one.start()
        await one.reaches(1)
        assert (await one.change_server("set-weight", "10.9.1.21:80", 9)).revision == 2
        await one.reaches(2)
        assert one.weight() == 9
        assert (await one.change_server("add", "10.9.1.23:80", 3)).revision == 3
        assert (await one.change_server("remove", "10.9.1.22:80")).revision == 4
        await one.reaches(4)
        found = one.whole().routers["r1"].real_servers
        assert {(each.address, each.weight) for each in found} == {("10.9.1.21", 9), ("10.9.1.23", 3)}
        # it is checked as its neighbour is, at its own place
        (new,) = (each for each in found if each.address == "10.9.1.23")
        assert [(check.address, check.port) for check in new.checks] == [("10.9.1.23", 80)]
        for verb, name, reason in (
            ("add", "10.9.1.21:80", "is in the pool of 10.9.0.100:80 TCP already"),
            (
                "remove",
                "10.9.1.99:80",
                "no real server '10.9.1.99:80' in the pool of 10.9.0.100:80 TCP; there",
            ),
            ("add", "web-1", "'web-1' is no ADDRESS:PORT"),
            ("add", "[fd00::1]:80", "only TUN forwards between them"),
            ("set-weight", "10.9.1.21:80", "a weight is missing"),
        ):
            assert reason in (await one.change_server(verb, name)).reason
        assert (
            "no virtual server is '10.9.0.9:80'"
            in (await one.change_server("remove", "10.9.1.21:80", pool="10.9.0.9:80")).reason
        )
        assert one.revision() == 4

    site(story)


def test_a_trial_that_nobody_confirms_goes_back_also_over_a_kill(site: Run) -> None:
    async def story(one: Site) -> None:
        one.start()
        await one.reaches(1)
        result = await one.apply(weighing(5), within=2.0)
        assert result.note is not None
        assert (result.note.back_to, (await one.history()).on_trial) == (1, 2)
        # nothing else is changed over it
        refused = await one.apply(weighing(6))
        assert "revision 2 is on trial until" in refused.reason
        one.end(signal.SIGKILL)
        one.start()
        head = await one.reaches(3)
        assert (head.how, one.weight()) == ("timeout", 1)
        assert "revision 2 was not confirmed in time" in head.cause
        assert (await one.history()).on_trial == 0

    site(story)


def test_a_trial_that_is_confirmed_stays_also_over_a_kill(site: Run) -> None:
    async def story(one: Site) -> None:
        one.start()
        await one.reaches(1)
        await one.apply(weighing(5), within=30.0)
        assert one.revision() == 2
        confirmed = await one.confirm()
        assert (confirmed.accepted, confirmed.revision) == (True, 2)
        assert "no revision of r1 is on trial" in (await one.confirm()).reason
        one.end(signal.SIGKILL)
        one.start()
        history = await one.history()
        assert (history.on_trial, history.revisions[0].confirmed_by) == (0, BY)
        # a rollback ends one, too
        await one.apply(weighing(6), within=30.0)
        assert (await one.rollback(1)).accepted
        assert (await one.history()).on_trial == 0
        assert (one.revision(), one.weight()) == (4, 1)

    site(story)


def test_a_revision_that_comes_back_finds_its_password_and_none_crosses_the_bus(
    site: Run, tmp_path: Path
) -> None:
    async def story(one: Site) -> None:
        one.file.write_text(with_password("geheim-1"))
        one.start()
        await one.reaches(1)
        for number in (2, 3, 4):
            one.file.write_text(with_password(f"geheim-{number}"))
            await one.reload()
        await one.reaches(4)
        one.end()
        one.start()
        assert (await one.rollback(1)).accepted
        await one.reaches(5)
        reference = one.whole().routers["r1"].instances[0].auth_pass
        assert reference is not None
        assert secrets.load(tmp_path)[reference] == "geheim-1"
        shown = await one.show(5)
        assert [each.name for each in shown.changes[0].fields] == ["auth_pass"]
        assert reference not in shown.changes[0].fields[0].after
        bodies = [record.body async for record in records(one.bus, ">", follow=False)]
        assert not any(b"geheim" in body for body in bodies)
        kept = await one.bus.client().jetstream().stream_info("vipbus_revision")
        assert kept.state.messages == 5

    site(story)


def test_so_many_revisions_are_kept(site: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIPBUS_REVISIONS_KEPT", "4")

    async def story(one: Site) -> None:
        one.start()
        await one.reaches(1)
        for number in range(2, 9):
            assert (await one.apply(weighing(number))).revision == number
        history = await one.history()
        assert [note.revision for note in history.revisions] == [8, 7, 6, 5]
        kept = await one.bus.client().jetstream().stream_info("vipbus_revision")
        assert kept.state.messages == 4
        assert "the oldest that can come back is 4" in (await one.rollback(3)).reason
        assert (await one.rollback(4)).accepted
        assert one.weight() == 4

    site(story)


def test_a_store_that_is_lost_is_written_again_and_counts_on(site: Run) -> None:
    async def story(one: Site) -> None:
        one.start()
        await one.reaches(1)
        await one.apply(weighing(5))
        one.server.kill()
        await eventually_async(lambda: not one.bus.connected, "the loss is noticed")
        one.server.lose_store()
        one.server.start()
        await one.reaches(3)
        assert one.weight() == 5
        history = await one.history()
        assert [note.revision for note in history.revisions] == [3]
        assert (await one.apply(weighing(6))).revision == 4

    site(story)
