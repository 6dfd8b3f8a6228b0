"""Tracked scripts, files and processes for real: run, written, killed."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.namespace import Namespace
from tests.support.side import Bench, running, script
from tests.support.vrrp import instance, needs_root
from tests.support.waiting import eventually
from vipbus.contracts import (
    Program,
    Track,
    TrackFile,
    TrackProcess,
    VrrpConfiguration,
    VrrpScript,
    VrrpSettings,
)
from vrrp_agent import metrics
from vrrp_agent.side import Side
from vrrp_agent.tracking import procevents, proctable
from vrrp_agent.tracking.file_watch import FileWatch
from vrrp_agent.tracking.process_watch import ProcessWatch
from vrrp_agent.tracking.script_watch import ScriptWatch
from vrrp_agent.tracking.sources import SourceSeen

pytestmark = needs_root


@pytest.fixture
def bench() -> Iterator[Bench]:
    with Bench() as made:
        yield made


# ---- scripts


def scripts(bench: Bench) -> ScriptWatch:
    return ScriptWatch(bench.alarms, bench.runner, seen=bench.words.append, problem=bench.problem)


def tracked_script(*arguments: str, name: str = "s1", user: str | None = None, **changes: Any) -> VrrpScript:
    base: dict[str, Any] = {"interval": 0.1}
    return VrrpScript(
        router="r", name=name, command=Program(arguments=arguments, user=user), **{**base, **changes}
    )


def test_up_and_down_by_rise_and_fall(bench: Bench, tmp_path: Path) -> None:
    flag, count = tmp_path / "up", tmp_path / "count"
    path = script(tmp_path / "s", f"echo x >> {count}", f"test -e {flag}")
    runs = lambda: len(count.read_text().splitlines()) if count.exists() else 0  # noqa: E731
    watch = scripts(bench)
    flag.touch()
    watch.configure([tracked_script(path, rise=3, fall=2)])
    bench.until(lambda: bench.words, "the first result")
    assert bench.words == [SourceSeen(kind="script", name="s1", up=True, cause="exit status 0")]
    assert runs() == 1  # the first result decides alone
    flag.unlink()
    before = runs()
    bench.until(lambda: len(bench.words) == 2, "it is down")
    assert (bench.words[1].up, bench.words[1].cause) == (False, "exit status 1")
    assert 2 <= runs() - before <= 4
    flag.touch()
    before = runs()
    bench.until(lambda: len(bench.words) == 3, "it is up again")
    assert bench.words[2].up is True
    assert 3 <= runs() - before <= 5
    watch.close()


def test_flapping_within_rise_and_fall_is_not_told(bench: Bench, tmp_path: Path) -> None:
    count = tmp_path / "count"
    path = script(
        tmp_path / "s", f"echo x >> {count}", f"test $(($(wc -l < {count}) % 2)) = 1"
    )  # good, bad, good, bad
    watch = scripts(bench)
    watch.configure([tracked_script(path, rise=2, fall=2, interval=0.03)])
    bench.until(lambda: count.exists() and len(count.read_text()) > 40, "it ran twenty times", within=20)
    assert bench.ups("s1") == [True]
    watch.close()


def test_one_that_hangs_counts_as_failed_at_its_time_and_never_runs_twice(
    bench: Bench, tmp_path: Path, mark: str
) -> None:
    path = script(tmp_path / "s", "trap '' TERM", f"sleep {mark} & sleep {mark} & sleep {mark}")
    before = metrics.SCRIPTS_OVERLAPPED.value(script="hangs")
    watch = scripts(bench)
    watch.configure([tracked_script(path, name="hangs", interval=0.2, timeout=0.5)])
    took = bench.until(lambda: bench.words, "it failed")
    assert (bench.words[0].up, bench.words[0].cause) == (False, "not done in 0.5 s")
    assert took >= 0.5
    for _ in range(20):
        bench.work(0.05)
        assert len([pid for pid in running(path) if _is_leader(pid)]) <= 1
    assert metrics.SCRIPTS_OVERLAPPED.value(script="hangs") > before
    watch.close()
    bench.until(lambda: not running(mark) and not running(path), "nothing of it is left")


def _is_leader(pid: int) -> bool:
    try:
        return os.getpgid(pid) == pid
    except OSError:
        return False


def test_one_that_never_could_be_run_says_nothing_and_is_named(bench: Bench, tmp_path: Path) -> None:
    watch = scripts(bench)
    later = tmp_path / "later"
    watch.configure(
        [
            tracked_script(str(later), name="missing"),
            tracked_script("true", name="stranger", user="no-such-user"),
            tracked_script(str(tmp_path / "none"), name="pessimist", init_fail=True),
        ]
    )
    bench.until(lambda: len(bench.problems) == 3, "all three are named")
    assert bench.ups("missing") == [None]
    assert bench.ups("stranger") == [None]
    assert bench.ups("pessimist") == [False]
    assert bench.problems["vrrp_script stranger"] == "vrrp_script stranger: no user no-such-user on this host"
    # it comes, and goes again: a script that has run and cannot any more has failed
    script(later, "exit 0")
    bench.until(lambda: bench.ups("missing") == [None, True], "it runs now")
    assert "vrrp_script missing" not in bench.problems
    later.unlink()
    bench.until(lambda: bench.ups("missing") == [None, True, False], "it has failed")
    watch.configure([])
    assert bench.problems == {}


def test_init_fail_is_down_before_it_has_run(bench: Bench) -> None:
    watch = scripts(bench)
    watch.configure([tracked_script("true", init_fail=True, rise=3)])
    assert bench.words == [
        SourceSeen(kind="script", name="s1", up=False, cause="it has not run yet (init_fail)")
    ]
    bench.until(lambda: bench.ups("s1") == [False, True], "one success is enough")
    watch.close()


def test_a_runner_that_died_says_nothing_of_the_script(bench: Bench, tmp_path: Path) -> None:
    watch = scripts(bench)
    flag = tmp_path / "slow"
    path = script(tmp_path / "s", f"test ! -e {flag} || sleep 20")
    watch.configure([tracked_script(path, timeout=30)])
    bench.until(lambda: bench.words, "the first result")
    flag.touch()
    bench.until(lambda: running(path), "it runs")
    flag.unlink()
    before = metrics.SCRIPT_RUNS.value(script="s1", result="success")
    assert bench.runner.pid is not None
    os.kill(bench.runner.pid, signal.SIGKILL)
    bench.until(lambda: metrics.SCRIPT_RUNS.value(script="s1", result="success") > before, "it runs again")
    assert bench.ups("s1") == [True]
    watch.close()


def test_another_configuration_leaves_alone_what_it_does_not_change(bench: Bench, tmp_path: Path) -> None:
    one, two = (script(tmp_path / name, f"echo x >> {tmp_path}/{name}.runs") for name in "ab")
    watch = scripts(bench)
    a = tracked_script(one, name="a", interval=20.0)
    watch.configure([a])
    bench.until(lambda: bench.words, "it has run")
    watch.configure([a, tracked_script(two, name="b", interval=20.0)])
    bench.until(lambda: len(bench.words) == 2, "the other has run")
    assert (tmp_path / "a.runs").read_text() == "x\n"
    # one that was changed keeps its word until its own first result
    watch.configure([tracked_script("sh", "-c", "sleep 0.3; exit 1", name="a", interval=20.0, fall=5)])
    bench.work(0.1)
    assert bench.ups("a") == [True]
    bench.until(lambda: bench.ups("a") == [True, False], "its first result decides")
    watch.close()


# ---- files


def files(bench: Bench) -> FileWatch:
    return FileWatch(bench.poller, bench.alarms, seen=bench.words.append, problem=bench.problem)


def tracked_file(path: Path, name: str = "f", **changes: Any) -> TrackFile:
    return TrackFile(router="r", name=name, path=str(path), **changes)


def test_whatever_is_done_to_a_file_is_seen(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f"
    watch = files(bench)
    values = lambda: [(word.up, word.value) for word in bench.words]  # noqa: E731

    def seen_after(value: int, what: str) -> None:
        bench.until(lambda: values()[-1] == (True, value), what)

    monkeypatch.setattr("vrrp_agent.tracking.file_watch._LOOK", 1000.0)  # the kernel tells, or nobody

    watch.configure([tracked_file(path)])
    assert values() == [(True, 0)]
    assert bench.words[0].cause == "there is no such file"
    path.write_text("5\n")
    seen_after(5, "it was made")
    path.write_text("-7\n")
    seen_after(-7, "it was written")
    (tmp_path / "g").write_text("12")
    (tmp_path / "g").rename(path)
    seen_after(12, "another took its place")
    path.unlink()
    seen_after(0, "it was removed")
    (tmp_path / "h").write_text("3")
    os.link(tmp_path / "h", path)
    seen_after(3, "it was linked")
    path.rename(tmp_path / "away")
    seen_after(0, "it was moved away")
    with path.open("w") as file:
        file.write("44")
        file.flush()
    seen_after(44, "it was closed")
    assert bench.problems == {}
    watch.close()


def test_what_is_no_number_keeps_the_last_one_and_is_said(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("garbage")
    watch = files(bench)
    watch.configure([tracked_file(path)])
    assert bench.ups("f") == [None]
    assert "it counts as nothing" in bench.problems["track_file f"]
    path.write_text("5")
    bench.until(lambda: bench.words[-1].value == 5, "it is a number now")
    assert bench.problems == {}
    path.write_bytes(b"\xff" * 1000)
    bench.until(lambda: bench.problems, "it is none again")
    assert (bench.words[-1].up, bench.words[-1].value) == (True, 5)
    assert bench.problems["track_file f"].endswith("it still counts as 5")
    path.unlink()
    path.mkdir()
    bench.until(lambda: "is no file" in bench.problems.get("track_file f", ""), "a directory is none")
    assert bench.words[-1].value == 5
    watch.close()


def test_a_file_that_is_rewritten_a_thousand_times_ends_as_it_is(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("0")
    watch = files(bench)
    watch.configure([tracked_file(path)])

    def rewrite() -> None:
        for number in range(1, 1001):
            (tmp_path / "new").write_text(str(number))
            (tmp_path / "new").rename(path)

    writer = threading.Thread(target=rewrite)
    writer.start()
    bench.until(lambda: bench.words[-1].value == 1000, "the last one is seen", within=30)
    writer.join()
    seen = [word.value for word in bench.words]
    assert seen == sorted(seen)
    assert bench.problems == {}
    watch.close()


def test_a_directory_that_comes_later_and_a_link_are_looked_at(bench: Bench, tmp_path: Path) -> None:
    path, target, link = tmp_path / "d/f", tmp_path / "target", tmp_path / "link"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    target = elsewhere / "f"
    target.write_text("1")
    link.symlink_to(target)
    watch = files(bench)
    watch.configure([tracked_file(path), tracked_file(link, "l")])
    last = lambda name: [word.value for word in bench.words if word.name == name][-1]  # noqa: E731
    assert (last("f"), last("l")) == (0, 1)
    path.parent.mkdir()
    path.write_text("7")
    target.write_text("2")
    bench.until(lambda: (last("f"), last("l")) == (7, 2), "both are seen")
    path.unlink()
    path.parent.rmdir()
    bench.until(lambda: last("f") == 0, "it is gone")
    path.parent.mkdir()
    path.write_text("8")
    bench.until(lambda: last("f") == 8, "it is back")
    path.parent.rename(tmp_path / "moved")
    bench.until(lambda: last("f") == 0, "its directory was moved away")
    watch.close()


def test_the_first_value_is_written_once(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("9")
    watch = files(bench)
    once = tracked_file(path, init=3, init_overwrite=True)
    watch.configure([once, tracked_file(tmp_path / "g", "g", init=4)])
    assert (path.read_text(), (tmp_path / "g").read_text()) == ("3\n", "4\n")
    path.write_text("9")
    watch.configure([])
    watch.configure([once])
    assert path.read_text() == "9"  # only a start of the agent overwrites
    watch.configure([tracked_file(tmp_path / "no/where", init=1)])
    assert "cannot be made" in bench.problems["track_file f init"]
    watch.close()


# ---- processes


@pytest.fixture(params=["events", "looking"])
def processes(request: pytest.FixtureRequest, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> ProcessWatch:
    """A watch that the kernel tells of processes, and one that has to look for them."""
    if request.param == "events":
        try:
            procevents.ProcessEvents().close()
        except procevents.UnavailableError as error:
            pytest.skip(str(error))
    else:

        def refuse() -> None:
            raise procevents.UnavailableError("not here")

        monkeypatch.setattr("vrrp_agent.tracking.process_watch.ProcessEvents", refuse)
    return ProcessWatch(bench.poller, bench.alarms, seen=bench.words.append)


def tracked_process(program: str, **changes: Any) -> TrackProcess:
    return TrackProcess(router="r", name="p", process=program, **changes)


class OwnProgram:
    """A program that nobody else runs, a copy of sleep under a name of its own; leaving it ends what runs."""

    def __init__(self, directory: Path) -> None:
        self.name = f"vp{secrets.token_hex(5)}"  # the kernel keeps 15 bytes
        self.path = str(directory / self.name)
        Path(self.path).write_bytes(Path("/bin/sleep").read_bytes())
        Path(self.path).chmod(0o755)
        self._children: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        """Start it once more."""
        self._children.append(subprocess.Popen([self.path, "100"]))
        return self._children[-1]

    def end(self) -> None:
        """End all that were started."""
        for child in self._children:
            child.kill()
            child.wait()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[OwnProgram]:
    made = OwnProgram(tmp_path)
    yield made
    made.end()


def test_processes_come_and_go(bench: Bench, processes: ProcessWatch, program: OwnProgram) -> None:
    processes.configure([tracked_process(program.path, quorum=2)])
    assert bench.ups("p") == [False]
    assert bench.words[0].cause == "0 run, wanted at least 2"
    children = [program.start() for _ in range(3)]
    bench.until(lambda: bench.ups("p") == [False, True], "they run")
    children[0].kill()
    children[0].wait()
    bench.work(1.2)
    assert bench.ups("p") == [False, True]  # two still run
    children[1].kill()  # not reaped: what has ended does not run
    bench.until(lambda: bench.ups("p") == [False, True, False], "too few run")
    assert bench.words[-1].cause == "1 run, wanted at least 2"
    processes.close()


def test_what_ran_before_is_found(bench: Bench, processes: ProcessWatch, program: OwnProgram) -> None:
    program.start()
    bench.until(lambda: running(f"{program.path} 100"), "it runs")
    processes.configure([tracked_process(program.path, arguments=("100",))])
    assert bench.ups("p") == [True]
    processes.configure([tracked_process(program.path, arguments=("10",))])
    assert bench.ups("p") == [True, False]
    processes.configure([tracked_process(program.path, arguments=("10",), argument_match="initial")])
    assert bench.ups("p") == [True, False, True]
    processes.close()


def test_a_name_that_a_process_gives_itself_counts(bench: Bench, processes: ProcessWatch) -> None:
    name = f"vp{secrets.token_hex(5)}"
    processes.configure([tracked_process(name)])
    code = (
        "import sys; call = lambda name: open('/proc/self/comm', 'w').write(name); "
        f"call({name!r}); sys.stdin.readline(); call('another'); sys.stdin.readline(); "
        f"call({name!r}); sys.stdin.read()"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    assert child.stdin is not None
    try:
        bench.until(lambda: bench.ups("p") == [False, True], "it has the name")
        child.stdin.write(b"\n")
        child.stdin.flush()
        bench.until(lambda: bench.ups("p") == [False, True, False], "it has another")
        child.stdin.write(b"\n")
        child.stdin.flush()
        bench.until(lambda: bench.ups("p") == [False, True, False, True], "it has the name again")
    finally:
        child.communicate()
    bench.until(lambda: bench.ups("p")[-1] is False, "it has ended")
    processes.close()


@pytest.fixture
def told(bench: Bench) -> ProcessWatch:
    try:
        procevents.ProcessEvents().close()
    except procevents.UnavailableError as error:
        pytest.skip(str(error))
    return ProcessWatch(bench.poller, bench.alarms, seen=bench.words.append)


def test_a_kill_is_noticed_at_once(bench: Bench, told: ProcessWatch, program: OwnProgram) -> None:
    child = program.start()
    bench.until(lambda: running(f"{program.path} 100"), "it runs")
    told.configure([tracked_process(program.path)])
    took = []
    for _ in range(10):
        child.kill()
        took.append(bench.until(lambda: bench.ups("p")[-1] is False, "its end is noticed"))
        child.wait()
        child = program.start()
        took.append(bench.until(lambda: bench.ups("p")[-1] is True, "it is back"))
    assert sorted(took)[10] < 0.1  # half of them, on a machine that does other things too
    told.close()


def test_forks_in_between_are_bridged_by_the_delays(
    bench: Bench, told: ProcessWatch, program: OwnProgram
) -> None:
    told.configure([tracked_process(program.path, terminate_delay=1.0)])
    child = program.start()
    bench.until(lambda: bench.ups("p") == [False, True], "it runs")
    for _ in range(3):  # restarts
        child.kill()
        child.wait()
        bench.work(0.2)
        child = program.start()
    bench.work(1.3)
    assert bench.ups("p") == [False, True]
    child.kill()
    child.wait()
    took = bench.until(lambda: bench.ups("p") == [False, True, False], "it stays away")
    assert took >= 0.9
    told.close()


def test_a_storm_of_processes_loses_none(bench: Bench, told: ProcessWatch, program: OwnProgram) -> None:
    told.configure([tracked_process(program.path, quorum=5)])
    for _ in range(4):
        program.start()
    storm = subprocess.Popen(["sh", "-c", "i=0; while [ $i -lt 3000 ]; do (:); i=$((i+1)); done"])
    storm.wait(60)  # meanwhile nobody reads: the kernel's buffer may overflow
    assert bench.ups("p") == [False]
    program.start()
    bench.until(lambda: bench.ups("p") == [False, True], "all five are seen")
    told.close()


def test_what_the_kernel_could_not_tell_is_looked_for(
    bench: Bench, told: ProcessWatch, program: OwnProgram, caplog: pytest.LogCaptureFixture
) -> None:
    told.configure([tracked_process(program.path)])
    events = told._events
    assert events is not None
    events._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    subprocess.run(["sh", "-c", "for i in $(seq 500); do (:); done"], check=True)
    program.start()
    bench.until(lambda: bench.ups("p") == [False, True], "it is found")
    assert "looking at all of them again" in caplog.text
    told.close()


@pytest.mark.parametrize("before", range(6))
def test_half_of_what_the_kernel_told_of_a_process_is_no_word(
    bench: Bench, told: ProcessWatch, program: OwnProgram, before: int
) -> None:
    """The buffer is full after one of the first events; somewhere between a fork and its exec, too."""
    told.configure([tracked_process(program.path)])
    events = told._events
    assert events is not None
    events.forget()
    events._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    name = Path("/proc/self/comm").read_text()
    for _ in range(before):
        Path("/proc/self/comm").write_text(name)
    program.start()
    subprocess.run(["sh", "-c", "for i in $(seq 50); do (:); done"], check=True)
    bench.until(lambda: bench.ups("p") == [False, True], "it is found")
    bench.work(0.2)
    assert bench.ups("p") == [False, True]
    told.close()


def test_a_fork_told_of_late_takes_nothing_back(
    bench: Bench, told: ProcessWatch, program: OwnProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = proctable.pids

    def start_and_look() -> list[int]:
        program.start()
        eventually(lambda: running(f"{program.path} 100"), "it runs")
        return look()

    monkeypatch.setattr(proctable, "pids", start_and_look)
    told.configure([tracked_process(program.path)])
    events = told._events
    assert events is not None
    waiting: list[procevents.Process] = []

    def read_one() -> list[procevents.Process]:
        waiting.extend(real())
        return [waiting.pop(0)] if waiting else []

    real = events.read
    monkeypatch.setattr(events, "read", read_one)
    told._happened()
    heard = len(waiting)
    while waiting:
        told._happened()
    assert heard > 0
    assert bench.ups("p") == [True]
    told.close()


def test_in_a_network_namespace_processes_are_looked_for(
    bench: Bench, program: OwnProgram, caplog: pytest.LogCaptureFixture
) -> None:
    namespace = Namespace(f"vt{secrets.token_hex(4)}")
    namespace.open()
    watch = ProcessWatch(bench.poller, bench.alarms, seen=bench.words.append)
    try:
        with namespace.entered():
            watch.configure([tracked_process(program.path)])
            watch.configure([tracked_process(program.path, quorum=1, fork_delay=0.0, full_command=True)])
    finally:
        namespace.close()
    said = [record for record in caplog.records if "each second" in record.message]
    (line,) = [record.message for record in said]
    assert line.endswith(": the kernel tells of processes in its first network namespace alone")
    program.start()
    bench.until(lambda: bench.ups("p") == [False, True], "it is found")
    watch.close()


# ---- the thread


def test_only_what_an_instance_tracks_is_watched(tmp_path: Path, start_side: Callable[..., Side]) -> None:
    words: list[SourceSeen] = []
    side = start_side(seen=words.append, problem=lambda *_: None)
    tracks = tuple(Track(kind=kind, name="one") for kind in ("script", "file", "process"))

    def configuration(*tracked: Track) -> VrrpConfiguration:
        return VrrpConfiguration(
            router="r",
            settings=VrrpSettings(router="r", script_user="root"),
            instances=(instance("r", tracks=tracked),),
            scripts=tuple(
                tracked_script("sh", "-c", f"echo x >> {tmp_path}/{name}.runs", name=name)
                for name in ("one", "two")
            ),
            files=(tracked_file(tmp_path / "f1", "one"), tracked_file(tmp_path / "f2", "two")),
            processes=(
                TrackProcess(router="r", name="one", process="init"),
                TrackProcess(router="r", name="two", process="init"),
            ),
        )

    side.configure(configuration(*tracks))
    eventually(lambda: len(words) == 3, "all three are told")
    assert {(word.kind, word.name) for word in words} == {(track.kind, "one") for track in tracks}
    side.configure(configuration())
    time.sleep(0.3)  # a run of before may still be on its way
    runs = (tmp_path / "one.runs").read_text()
    time.sleep(0.5)
    assert (tmp_path / "one.runs").read_text() == runs
    assert not (tmp_path / "two.runs").exists()
    side.finish()


def test_a_fault_of_our_own_is_told_and_work_goes_on(tmp_path: Path, start_side: Callable[..., Side]) -> None:
    words: list[SourceSeen] = []
    problems: list[str] = []
    (tmp_path / "f").write_text("1")

    def seen(word: SourceSeen) -> None:
        if not words:
            words.append(word)
            raise RuntimeError("for once")
        words.append(word)

    side = start_side(seen=seen, problem=lambda name, text: problems.append(f"{name}: {text}"))
    side.configure(
        VrrpConfiguration(
            router="r",
            settings=VrrpSettings(router="r", script_user="root"),
            instances=(instance("r", tracks=(Track(kind="file", name="f"),)),),
            files=(tracked_file(tmp_path / "f"),),
        )
    )
    eventually(lambda: any("for once" in each for each in problems), "it is told")
    (tmp_path / "f").write_text("5")
    eventually(lambda: words[-1].value == 5, "work goes on")
    side.finish()
