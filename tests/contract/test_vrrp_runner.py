"""The runner with real programs: how they end, who they run as, what they keep, and what is left of them."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.side import Bench, running, script
from tests.support.vrrp import needs_root
from tests.support.waiting import eventually
from vipbus.contracts import Program, VrrpSettings
from vipbus.runtime.privileges import Capability, before_exec
from vipbus.runtime.runner.client import DIED
from vipbus.runtime.runner.messages import Ended
from vipbus.runtime.runner.security import weakness
from vrrp_agent.tracking import proctable

pytestmark = needs_root

_NOBODY = 65534


@pytest.fixture
def bench() -> Iterator[Bench]:
    with Bench() as made:
        yield made


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that every user may enter."""
    path = Path(tempfile.mkdtemp(prefix="vipbus-programs-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


# ---- how programs end


@pytest.mark.parametrize(
    ("command", "status", "cause"),
    [
        ("exit 0", 0, "exit status 0"),
        ("exit 7", 7, "exit status 7"),
        ("exit 127", 127, "exit status 127"),
        ("kill -9 $$", None, "killed by SIGKILL"),
        ("kill -40 $$", None, "killed by signal 40"),
    ],
)
def test_an_end_is_told_in_words(bench: Bench, command: str, status: int | None, cause: str) -> None:
    ended = bench.run("/bin/sh", "-c", command)
    assert (ended.status, ended.cause, ended.ran, ended.timed_out) == (status, cause, True, False)


def test_what_cannot_be_run_says_why(bench: Bench, place: Path) -> None:
    plain = place / "plain"
    plain.write_text("exit 0\n")
    cases = {
        (
            str(place / "none"),
            None,
        ): f"{place}/none cannot be run: no such file, or none where its #! line points",
        ("no-such-program", None): "no program no-such-program in",
        (str(plain), None): "cannot be run: Permission denied",
        (str(place), None): "cannot be run: Permission denied",
        ("/bin/true", "no-such-user"): "no user no-such-user on this host",
        ("/bin/true", "4294967295"): "no user 4294967295 on this host",
        ("/bin/true", "9" * 30): "no user 9",
        (str(plain), "nobody"): "cannot be run: Permission denied",
    }
    for (path, user), cause in cases.items():
        ended = bench.run(path, user=user)
        assert (ended.ran, ended.status) == (False, None), path
        assert cause in ended.cause
    plain.chmod(0o755)
    assert bench.run(str(plain)).cause.endswith("it is no program, and has no #! line")
    plain.write_text("#!/no/such/shell\n")
    assert "its #! line" in bench.run(str(plain)).cause


def test_no_such_group(bench: Bench) -> None:
    found: list[Ended] = []
    bench.runner.run(Program(arguments=("true",), user="root", group="no-such-group"), ended=found.append)
    bench.until(lambda: found, "it has ended")
    assert found[0].cause == "no group no-such-group on this host"


def test_a_command_line_that_no_packet_holds_is_refused(bench: Bench) -> None:
    ended = bench.run("/bin/true", "x" * 400_000)
    assert (ended.ran, ended.cause) == (False, f"it cannot be run: {os.strerror(errno.EMSGSIZE)}")
    assert bench.run("/bin/true").status == 0


def test_many_at_once(bench: Bench) -> None:
    found: list[Ended] = []
    for number in range(200):
        bench.runner.run(Program(arguments=("sh", "-c", f"exit {number % 7}")), ended=found.append)
    bench.until(lambda: len(found) == 200, "all have ended", within=60)
    assert sorted(each.status for each in found if each.status is not None) == sorted(
        number % 7 for number in range(200)
    )


# ---- what they are given


_USABLE = sum(1 << number - 1 for number in signal.valid_signals())
"""glibc keeps 32 and 33 to itself (nptl(7)): nobody can set them through it. GNU make leaves both ignored in
all that it starts."""


@pytest.fixture
def ignoring() -> Iterator[None]:
    """Be what a shell's job in the background is, which ignores signals, and what starts its runner so."""
    numbers = (signal.SIGQUIT, signal.SIGUSR2, signal.SIGRTMIN)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("ignoring")
def test_they_run_as_their_user_with_a_clean_environment(
    bench: Bench, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.chmod(0o777)
    output = place / "out"
    path = script(
        place / "look",
        f"exec > {output}",
        "id -u; id -g; id -G; pwd; umask",
        "env | grep -v ^_= | grep -v ^SHLVL | sort",
        "echo --",
        "ls -l /proc/$$/fd | grep -c socket",
        "grep -E '^(SigBlk|SigIgn)' /proc/self/status",
        "chrt -p $$ | head -1",
        "ps -o pgid= -p $$; echo $$",
        "echo $*",
    )
    monkeypatch.setenv("VIPBUS_SECRET", "not for programs")
    assert bench.run(path, "a b", "c", user="nobody").status == 0
    head, _, tail = output.read_text().partition("--\n")
    assert head.splitlines()[:5] == ["65534", "65534", "65534", "/", "0022"]
    home = {"HOME": "/nonexistent", "LANG": "C.UTF-8", "LOGNAME": "nobody", "USER": "nobody", "PWD": "/"}
    found = dict(line.split("=", 1) for line in head.splitlines()[5:])
    assert found.pop("PATH").startswith("/usr/local/sbin:")
    assert {key: value for key, value in found.items() if key != "OLDPWD"} == home
    lines = tail.splitlines()
    assert lines[0] == "0"  # nothing of ours is open
    blocked, ignored = (int(line.split()[1], 16) for line in lines[1:3])
    assert (blocked & _USABLE, ignored & _USABLE) == (0, 0)
    assert "SCHED_OTHER" in lines[3]
    assert lines[4].strip() == lines[5]  # it leads a group of its own
    assert lines[6] == "a b c"
    assert output.stat().st_uid == _NOBODY


def test_who_they_run_as_where_the_program_does_not_say(bench: Bench, place: Path) -> None:
    place.chmod(0o777)
    bench.runner.configure(VrrpSettings(router="r", script_user="nobody", script_group="daemon"))
    assert bench.run("sh", "-c", f"id -un; id -gn > {place}/g; id -un > {place}/u", user=None).status == 0
    assert ((place / "u").read_text(), (place / "g").read_text()) == ("nobody\n", "daemon\n")
    assert bench.run("sh", "-c", f"id -gn > {place}/h", user="nobody").status == 0
    assert (place / "h").read_text() == "nogroup\n"


_REALTIME = """
import sys, time
from pathlib import Path
from vrrp_agent import realtime
realtime.prepare()
from vrrp_agent.side import Side
from vrrp_agent.notify.told import Told
from vipbus.contracts import Notify, Program, VrrpConfiguration, VrrpSettings
side = Side(router="r", seen=print, problem=print)
side.start()
side.configure(VrrpConfiguration(router="r", settings=VrrpSettings(router="r", script_user="root")))
side.tell(Told(name="V", state="MASTER", notify=Notify(master=Program(arguments=(sys.argv[1],)))))
time.sleep(0.5)
side.finish(5.0)
"""


def test_nothing_of_the_agents_haste_is_passed_on(place: Path) -> None:
    path = script(
        place / "look", f"exec > {place}/out", "chrt -p $$", "grep VmLck /proc/$$/status", "nice", "ulimit -r"
    )
    subprocess.run([sys.executable, "-c", _REALTIME, path], check=True, timeout=30)
    output = (place / "out").read_text()
    assert "SCHED_OTHER" in output
    assert "VmLck:\t       0 kB" in output


_CONFINED = """
import sys
from tests.support.side import Bench
from vipbus.contracts import Program
from vipbus.runtime.privileges import Capability, effective, lay_aside
mine = (Capability.SETUID, Capability.SETGID, Capability.KILL, Capability.CHOWN)
lay_aside(mine)
assert not effective() & set(mine), effective()
with Bench() as bench:
    ended = bench.run("sleep", "100", user="nobody", timeout=0.3)
    print(ended.cause)
    print(bench.run("sh", "-c", f"id -u > {sys.argv[1]}/who", user="nobody").cause)
    bench.runner.own(sys.argv[1] + "/owned", Program(arguments=(), user="nobody"))
    print(bench.run("cat", "/proc/self/status").cause)
"""
_AGENT = (
    Capability.NET_ADMIN,
    Capability.NET_RAW,
    Capability.SYS_NICE,
    Capability.IPC_LOCK,
)
_PROGRAMMER = (Capability.NET_ADMIN, Capability.SYS_MODULE)
_PROGRAMS = (Capability.SETUID, Capability.SETGID, Capability.KILL, Capability.CHOWN)


def confined(keep: tuple[Capability, ...], place: Path) -> subprocess.CompletedProcess[str]:
    """Run programs from a process that holds as little as ``vipbus run`` gives its agent."""
    become = before_exec(keep, parent=os.getpid(), signal_mask=(), on_parent_death=signal.SIGKILL)
    return subprocess.run(
        [sys.executable, "-c", _CONFINED, str(place)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=become,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )


@pytest.mark.parametrize("own", [_AGENT, _PROGRAMMER])
def test_the_capabilities_that_it_takes_to_run_as_others(place: Path, own: tuple[Capability, ...]) -> None:
    place.chmod(0o777)
    (place / "owned").touch()
    done = confined((*own, *_PROGRAMS), place)
    assert done.stdout.splitlines() == ["not done in 0.3 s", "exit status 0", "exit status 0"], done.stderr
    assert (place / "who").read_text() == f"{_NOBODY}\n"
    assert (place / "owned").stat().st_uid == _NOBODY


def test_without_them_it_says_which_are_missing(place: Path) -> None:
    done = confined(_AGENT, place)
    assert "needs CAP_SETUID and CAP_SETGID" in done.stdout.splitlines()[0], done.stderr
    assert done.stdout.splitlines()[-1] == "exit status 0"  # as root it needs none


# ---- hostile ones


def test_one_that_hangs_is_ended_with_everybody_in_its_group(bench: Bench, place: Path, mark: str) -> None:
    path = script(
        place / "hang",
        "trap '' TERM",
        f"sleep {mark} & sleep {mark} &",
        f"(trap '' TERM; sh -c 'trap \"\" TERM; while :; do sleep {mark}; done') &",
        f"while :; do sleep {mark}; done",
    )
    found: list[Ended] = []
    overdue: list[tuple[float, bool]] = []
    began = time.monotonic()
    bench.runner.run(
        Program(arguments=(path,)),
        timeout=0.5,
        overdue=lambda: overdue.append((time.monotonic() - began, bool(found))),
        ended=found.append,
    )
    bench.until(lambda: len(running(mark)) >= 4, "it runs with its children")
    bench.until(lambda: found, "it has ended")
    assert (found[0].timed_out, found[0].cause) == (True, "not done in 0.5 s")
    ((at, ended),) = overdue
    assert at >= 0.5
    assert not ended, "it is told of before it is dead"
    eventually(lambda: running(mark) == [], "nobody of its group is left")


def test_one_that_is_asked_to_end_may_clean_up(bench: Bench, place: Path, mark: str) -> None:
    path = script(place / "tidy", f"trap 'echo tidy > {place}/out; exit 3' TERM", f"sleep {mark} & wait")
    found: list[Ended] = []
    number = bench.runner.run(Program(arguments=(path,)), ended=found.append)
    bench.until(lambda: running(f"sleep {mark}"), "it runs")
    bench.runner.end(number)
    bench.until(lambda: found, "it has ended")
    assert (found[0].status, (place / "out").read_text()) == (3, "tidy\n")


def test_daemons_that_it_leaves_hold_nothing_up_and_live(bench: Bench, place: Path, mark: str) -> None:
    path = script(place / "daemons", f"for i in 1 2 3; do setsid sleep {mark} & done", "exit 0")
    assert bench.run(path).status == 0
    eventually(lambda: len(running(f"sleep {mark}")) == 3, "they live on")


def test_one_that_fills_its_output_is_not_in_its_own_way(bench: Bench, place: Path) -> None:
    path = script(place / "noise", "head -c 50000000 /dev/zero", "head -c 50000000 /dev/zero >&2", "exit 4")
    assert bench.run(path).status == 4


def test_one_that_reads_its_input_reads_nothing(bench: Bench) -> None:
    assert bench.run("sh", "-c", 'read x; test -z "$x"', timeout=5).status == 0


# ---- lives


def test_a_runner_that_dies_is_started_again(bench: Bench, mark: str) -> None:
    assert bench.run("true").status == 0
    found: list[Ended] = []
    bench.runner.run(Program(arguments=("sleep", mark)), ended=found.append)
    bench.until(lambda: running(f"sleep {mark}"), "it runs")
    before = bench.runner.pid
    assert before is not None
    os.kill(before, signal.SIGKILL)
    bench.until(lambda: found, "it is reported")
    assert (found[0].cause, found[0].ran) == (DIED, False)
    assert bench.run("true").status == 0
    assert bench.runner.pid not in (None, before)
    eventually(lambda: not running(f"sleep {mark}"), "what it ran died with it")


def test_whoever_signals_a_whole_group_does_not_end_it(bench: Bench) -> None:
    assert bench.run("true").status == 0
    pid = bench.runner.pid
    assert pid is not None
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(pid, number)
    assert bench.run("true").status == 0
    assert bench.runner.pid == pid


_DYING = """
import sys
from tests.support.side import Bench
from vipbus.contracts import Program
bench = Bench()
stubborn = ("sh", "-c", f"trap '' TERM; sleep {sys.argv[1]}")
plain = ("sleep", sys.argv[1])
for arguments, outlives in ((plain, False), (stubborn, False), (plain, True)):
    bench.runner.run(Program(arguments=arguments), ended=print, outlives=outlives)
bench.work(1)
print(bench.runner.pid, flush=True)
if len(sys.argv) > 2:
    bench.runner.close(5.0)
else:
    bench.work(60)
"""


def test_a_killed_agent_takes_the_runner_and_its_programs_along(mark: str) -> None:
    agent = subprocess.Popen(
        [sys.executable, "-c", _DYING, mark],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert agent.stdout is not None
    runner = int(agent.stdout.readline())
    eventually(lambda: len(running(f"sleep {mark}")) >= 3, "they run")
    agent.kill()
    agent.wait()
    eventually(lambda: not running(mark), "its programs are gone")
    eventually(lambda: _gone(runner), "the runner is gone")


def test_what_may_outlive_an_agent_that_stops_does(mark: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _DYING, mark, "close"],
        stdout=subprocess.PIPE,
        check=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    runner = int(done.stdout)
    assert len(running(f"sleep {mark}")) == 1
    eventually(lambda: _gone(runner), "the runner is gone")


def _gone(pid: int) -> bool:
    return proctable.name(pid) is None


# ---- who could have written it


def test_what_others_could_write_is_not_run_as_root(bench: Bench, place: Path) -> None:
    bench.runner.configure(VrrpSettings(router="r", script_user="root", script_security=True))
    directory = place / "d"
    directory.mkdir(mode=0o755)
    path = script(directory / "x", "exit 0")
    Path(path).chmod(0o755)
    assert bench.run(path).status == 0
    for change, undo, where in (
        (lambda: Path(path).chmod(0o777), lambda: Path(path).chmod(0o755), path),
        (lambda: directory.chmod(0o777), lambda: directory.chmod(0o755), str(directory)),
        (lambda: os.chown(directory, _NOBODY, 0), lambda: os.chown(directory, 0, 0), str(directory)),
    ):
        change()
        ended = bench.run(path)
        assert not ended.ran
        assert ended.cause.startswith(f"{path} is not run as root: {where} ")
        assert "enable_script_security" in ended.cause
        assert bench.run(path, user="nobody").status == 0  # as somebody else it may be
        undo()
    assert bench.run(path).status == 0


def test_every_part_of_the_way_counts(place: Path) -> None:
    good, bad = place / "good", place / "bad"
    good.mkdir(mode=0o755)
    bad.mkdir(mode=0o755)
    (good / "x").write_text("")
    (good / "link").symlink_to("../bad/there")
    (bad / "there").symlink_to(good / "x")
    assert weakness(str(good / "x")) == ""
    assert weakness(str(good / "link")) == ""
    bad.chmod(0o777)
    assert weakness(str(good / "link")) == f"{bad} can be written by everybody"
    assert weakness(f"{bad}/../good/x") == f"{bad} can be written by everybody"
    bad.chmod(0o1777)
    assert weakness(str(good / "link")) == ""  # sticky: what is root's stays root's
    os.lchown(bad / "there", _NOBODY, 0)
    assert weakness(str(good / "link")) == f"{bad}/there belongs to user {_NOBODY}"
    bad.chmod(0o775)
    os.chown(bad, 0, 7)
    assert weakness(str(good / "link")) == f"{bad} can be written by group 7"
    with pytest.raises(OSError, match="No such file"):
        weakness(str(good / "none"))
    (good / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="symbolic links"):
        weakness(str(good / "loop"))
