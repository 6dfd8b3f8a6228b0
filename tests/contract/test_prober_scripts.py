"""Script checks with real programs: what they say, who they run as, and what is left of them."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from health_prober.attempt import PASSED, Passed, Steps
from health_prober.check import Event, Failed, Succeeded, Unproven
from health_prober.programs import DIED, let_go, programs
from health_prober.trying import tried
from tests.support.leaks import leave_nothing
from tests.support.side import running, script
from tests.support.vrrp import needs_root
from tests.support.waiting import eventually, eventually_async
from vipbus.contracts import Program, ScriptCheck
from vipbus.runtime.privileges import Capability, before_exec

pytestmark = needs_root

_NOBODY = 65534


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that every user may write."""
    path = Path(tempfile.mkdtemp(prefix="vipbus-scripts-"))
    path.chmod(0o777)
    yield path
    shutil.rmtree(path)


def check(
    *arguments: str,
    user: str | None = "root",
    group: str | None = None,
    timeout: float = 30.0,
    dynamic: bool = False,
    secure: bool = False,
) -> ScriptCheck:
    return ScriptCheck(
        address="10.9.0.21",
        port=80,
        timeout=timeout,
        program=Program(arguments=arguments, user=user, group=group),
        dynamic=dynamic,
        secure=secure,
    )


def play(story: Callable[[], Awaitable[None]]) -> None:
    """Run a story with a runner of its own; what runs then still ends with it."""

    async def whole() -> None:
        try:
            await story()
        finally:
            let_go(asyncio.get_running_loop())

    asyncio.run(asyncio.wait_for(whole(), 90))


def once(tested: ScriptCheck) -> Event:
    found: list[Event] = []

    async def story() -> None:
        found.append(await tried(tested, Steps()))

    play(story)
    return found[0]


def opened_to_all(path: str) -> None:
    Path(path).chmod(0o757)


def children(pid: int) -> list[int]:
    """List a process's children, those among them that wait to be reaped."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


# ---- what they say


def test_what_an_end_says() -> None:
    cases: dict[tuple[str, bool], str | Passed] = {
        ("exit 0", False): PASSED,
        ("exit 1", False): "script exit 1",
        ("exit 2", False): "script exit 2",
        ("exit 127", False): "script exit 127",
        ("kill -SEGV $$", False): "script killed by SIGSEGV",
        ("kill -40 $$", False): "script killed by signal 40",
        ("exit 0", True): PASSED,
        ("exit 1", True): "script exit 1",
        ("exit 2", True): Passed(note="script exit 2", weight=0),
        ("exit 12", True): Passed(note="script exit 12", weight=10),
        ("exit 255", True): Passed(note="script exit 255", weight=253),
        ("kill -9 $$", True): "script killed by SIGKILL",
    }

    async def story() -> None:
        for (command, dynamic), said in cases.items():
            event = await tried(check("/bin/sh", "-c", command, dynamic=dynamic), Steps())
            found = event.passed if isinstance(event, Succeeded) else event
            assert (found.cause if isinstance(found, Failed) else found) == said, (command, dynamic)

    play(story)


def test_what_cannot_be_run_proves_nothing(place: Path) -> None:
    plain, broken = place / "plain", place / "broken"
    plain.write_text("exit 0\n")
    broken.write_text("#!/no/such/shell\n")
    broken.chmod(0o755)
    cases = {
        check(str(place / "none")): f"{place}/none cannot be run: no such file",
        check("no-such-program"): "no program no-such-program in ",
        check(str(plain)): f"{plain} cannot be run: Permission denied",
        check(str(place)): f"{place} cannot be run: Permission denied",
        check(str(broken)): "none where its #! line points",
        check("/bin/true", user="no-such-user"): "no user no-such-user on this host",
        check("/bin/true", group="no-such-group"): "no group no-such-group on this host",
        check("/bin/tr\0ue"): "'/bin/tr\\x00ue' cannot be run: ",  # why: each Python says it in other words
        check("/bin/true", "a\0b"): "'/bin/true' cannot be run: ",
        check("/bin/true", "x" * 400_000): "it cannot be run: message too long",
        check("/bin/true", *("x" * 100_000,) * 2): "/bin/true cannot be run: Argument list too long",
    }

    async def story() -> None:
        for tested, words in cases.items():
            event = await tried(tested, Steps())
            if tested.program.arguments[-1] == "x" * 100_000:
                continue  # a kernel with a larger limit runs it
            assert isinstance(event, Unproven), tested.program.arguments[0]
            assert words in event.trouble

    play(story)


def test_a_program_that_others_could_change_is_not_run_by_root(place: Path) -> None:
    directory = place / "d"
    directory.mkdir(mode=0o755)
    path = script(directory / "x", "exit 0")
    Path(path).chmod(0o755)
    place.chmod(0o755)

    async def story() -> None:
        assert isinstance(await tried(check(path, secure=True), Steps()), Succeeded)
        opened_to_all(path)
        event = await tried(check(path, secure=True), Steps())
        assert isinstance(event, Unproven)
        assert event.trouble.startswith(f"{path} is not run as root: {path} can be written by everybody")
        assert isinstance(await tried(check(path, secure=True, user="nobody"), Steps()), Succeeded)
        assert isinstance(await tried(check(path), Steps()), Succeeded)

    play(story)


# ---- what they are given


def test_they_run_as_their_user_and_group_with_a_clean_environment(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = script(
        place / "look",
        f"exec > {place}/out",
        "id -u; id -g; id -G; pwd; umask",
        "env | grep -v ^_= | grep -v ^SHLVL | cut -d= -f1 | sort | xargs",
        "ls /proc/$$/fd | xargs",
        "ps -o pgid= -p $$ | xargs; echo $$",
        "echo $*",
    )
    monkeypatch.setenv("VIPBUS_SECRET", "not for programs")
    assert isinstance(once(check(path, "a b", "c", user="nobody", group="daemon")), Succeeded)
    lines = (place / "out").read_text().splitlines()
    assert lines[:5] == ["65534", "1", "1", "/", "0022"]
    assert set(lines[5].split()) - {"OLDPWD", "PWD"} == {"HOME", "LANG", "LOGNAME", "PATH", "USER"}
    assert set(lines[6].split()) <= {"0", "1", "2", "10"}  # 10 is the shell's own, of its script
    assert lines[7] == lines[8]  # it leads a group of its own
    assert lines[9] == "a b c"


def test_what_they_print_goes_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    assert isinstance(once(check("sh", "-c", "echo out; echo err >&2; read x; test -z $x")), Succeeded)
    assert capfd.readouterr() == ("", "")


_CONFINED = """
import asyncio, sys
from health_prober.__main__ import SCRIPTS
from health_prober.attempt import Steps
from health_prober.trying import tried
from vipbus.contracts import Program, ScriptCheck
from vipbus.runtime.privileges import effective, lay_aside
lay_aside(SCRIPTS)
assert not effective() & set(SCRIPTS), effective()
async def main():
    for command, timeout in ((f"id -u > {sys.argv[1]}/who", 30.0), ("exec sleep 98765.5", 0.5)):
        program = Program(arguments=("sh", "-c", command), user="nobody")
        check = ScriptCheck(address="10.9.0.21", port=80, timeout=timeout, program=program)
        print(await tried(check, Steps()))
asyncio.run(main())
"""


def _confined(keep: tuple[Capability, ...], place: Path) -> list[str]:
    become = before_exec(keep, parent=os.getpid(), signal_mask=(), on_parent_death=signal.SIGKILL)
    done = subprocess.run(
        [sys.executable, "-c", _CONFINED, str(place)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        preexec_fn=become,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    return done.stdout.splitlines()


def test_the_capabilities_that_it_takes_to_run_as_others(place: Path) -> None:
    said = _confined((Capability.SETUID, Capability.SETGID, Capability.KILL), place)
    assert said[0].startswith("Succeeded")
    assert "timed out after 0.5 s (running the script)" in said[1]
    assert (place / "who").read_text() == f"{_NOBODY}\n"
    eventually(lambda: not running("sleep 98765.5"), "it may be ended, too")


def test_without_them_it_says_which_are_missing(place: Path) -> None:
    said = _confined((), place)
    assert said[0].startswith("Unproven")
    assert "needs CAP_SETUID and CAP_SETGID" in said[0]


# ---- hostile ones


def test_one_that_hangs_is_ended_with_everybody_in_its_group(place: Path, mark: str) -> None:
    path = script(
        place / "hang",
        "trap '' TERM",
        f"sleep {mark} & sleep {mark} &",
        f"(trap '' TERM; sh -c 'trap \"\" TERM; while :; do sleep {mark}; done') &",
        f"while :; do sleep {mark}; done",
    )

    async def story() -> None:
        began = time.monotonic()
        event = await tried(check(path, timeout=1.5), Steps())
        assert event == Failed(event.began, "timed out after 1.5 s (running the script)")
        assert time.monotonic() - began < 2.4  # said on time, not when it was dead
        await eventually_async(lambda: running(mark) == [], "nobody of its group is left")
        runner = programs().pid
        assert runner is not None
        await eventually_async(lambda: children(runner) == [], "all of them are reaped")

    play(story)


def test_one_that_is_asked_to_end_may_clean_up(place: Path) -> None:
    path = script(place / "tidy", f"trap 'echo tidy > {place}/out; exit 0' TERM", "sleep 100 & wait")

    async def story() -> None:
        assert isinstance(await tried(check(path, timeout=1.0), Steps()), Failed)
        await eventually_async((place / "out").exists, "it has cleaned up")

    play(story)


def test_a_check_that_is_dropped_leaves_nothing(mark: str) -> None:

    async def story() -> None:
        trying = asyncio.ensure_future(tried(check("sh", "-c", f"sleep {mark} & sleep {mark}"), Steps()))
        await eventually_async(lambda: len(running(f"sleep {mark}")) >= 2, "it runs")
        trying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await trying
        await eventually_async(lambda: not running(mark), "nobody of its group is left")

    play(story)


def test_what_one_leaves_in_its_group_ends_with_it(mark: str) -> None:

    async def story() -> None:
        assert isinstance(await tried(check("sh", "-c", f"sleep {mark} & exit 0"), Steps()), Succeeded)
        await eventually_async(lambda: not running(mark), "it is gone")
        runner = programs().pid
        assert runner is not None
        await eventually_async(lambda: children(runner) == [], "and reaped")

    play(story)


def test_daemons_of_one_are_left_alone_and_reaped(place: Path, mark: str) -> None:
    path = script(
        place / "daemons",
        f"for i in 1 2 3; do setsid sh -c 'touch {place}/'$i'; exec sleep {mark}' & done",
        f"until [ -e {place}/1 ] && [ -e {place}/2 ] && [ -e {place}/3 ]; do sleep 0.02; done",
        "exit 0",
    )

    async def story() -> None:
        assert isinstance(await tried(check(path), Steps()), Succeeded)
        runner = programs().pid
        assert runner is not None
        await eventually_async(lambda: len(running(f"sleep {mark}")) == 3, "they live on")
        for pid in running(f"sleep {mark}"):
            os.kill(pid, signal.SIGKILL)
        await eventually_async(lambda: children(runner) == [], "all of them are reaped")

    play(story)


@pytest.mark.parametrize(
    "command",
    [
        "yes; sleep 100",
        "yes >&2; sleep 100",
        "exec 0<&- 1>&- 2>&-; sleep 100; sleep 1",
        "kill -STOP $$",
        "cat < /dev/zero > /dev/null",
    ],
    ids=["prints", "prints errors", "closes everything", "stops", "is busy"],
)
def test_one_that_never_ends_is_over_on_time(command: str) -> None:
    event = once(check("sh", "-c", command, timeout=1.0))
    assert event == Failed(event.began, "timed out after 1 s (running the script)")


# ---- lives


def test_a_runner_that_dies_proves_nothing_and_is_started_again(mark: str) -> None:

    async def story() -> None:
        trying = asyncio.ensure_future(tried(check("sleep", mark), Steps()))
        await eventually_async(lambda: running(f"sleep {mark}"), "it runs")
        before = programs().pid
        assert before is not None
        os.kill(before, signal.SIGKILL)
        event = await trying
        assert event == Unproven(event.began, DIED)
        await eventually_async(lambda: not running(mark), "what it ran died with it")
        event = await tried(check("true"), Steps())
        while isinstance(event, Unproven):  # it is not started over and over
            assert event.trouble == DIED
            await asyncio.sleep(0.1)
            event = await tried(check("true"), Steps())
        assert isinstance(event, Succeeded)
        assert programs().pid != before

    play(story)


_KILLED = """
import asyncio, sys
from health_prober.attempt import Steps
from health_prober.trying import tried
from vipbus.contracts import Program, ScriptCheck
command = f"trap '' TERM; sleep {sys.argv[1]} & sleep {sys.argv[1]}"
program = Program(arguments=("sh", "-c", command), user="root")
asyncio.run(tried(ScriptCheck(address="10.9.0.21", port=80, timeout=60.0, program=program), Steps()))
"""


def test_a_killed_prober_takes_its_scripts_along(mark: str) -> None:
    prober = subprocess.Popen(
        [sys.executable, "-c", _KILLED, mark],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        eventually(lambda: len(running(f"sleep {mark}")) >= 3, "they run", within=30)
    finally:
        prober.kill()
        prober.wait()
    eventually(lambda: not running(f"sleep {mark}"), "they are gone")


@pytest.mark.leaks
@pytest.mark.timeout(900)
def test_thousands_of_rounds_leave_nothing_behind(rounds: int) -> None:
    checks = [
        *[check("/bin/true", timeout=60.0)] * 4,
        *[check("sh", "-c", "exit 3", timeout=60.0)] * 2,
        check("sh", "-c", "kill -SEGV $$", timeout=60.0),
        check("sh", "-c", "sleep 9 & exit 0", timeout=60.0),
        *[check("sleep", "9", timeout=0.001)] * 2,
    ]
    outcomes = leave_nothing(checks, rounds, at_once=15)
    assert outcomes == {
        "ok": rounds / 2,
        "script exit 3": rounds / 5,
        "script killed by SIGSEGV": rounds / 10,
        "timed out after 0.001 s (running the script)": rounds / 5,
    }


def test_a_loop_that_is_let_go_has_no_runner_left() -> None:
    pids: list[int | None] = []

    async def story() -> None:
        assert isinstance(await tried(check("true"), Steps()), Succeeded)
        pids.append(programs().pid)

    play(story)
    play(story)
    assert None not in pids
    assert len(set(pids)) == 2
    eventually(lambda: not alive(pids), "both have ended")


def alive(pids: list[int | None]) -> list[int]:
    """Leave out those that have ended, reaped or not."""
    states = {pid: Path(f"/proc/{pid}/stat") for pid in pids if pid is not None}
    return [
        pid
        for pid, stat in states.items()
        if stat.exists() and stat.read_text().rpartition(") ")[2][0] != "Z"
    ]
