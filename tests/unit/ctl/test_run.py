"""``vipbus run`` as a whole, with a real nats-server and stand-ins for the services."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ctl import supervisor_file
from ctl.embedded_bus import without_secret
from tests.support.waiting import eventually
from tests.unit.ctl.stand_ins import Run
from vipbus.bus.address import find

Make = Callable[..., Run]
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="capabilities are dropped from root's")


def gone(pid: int) -> bool:
    return not supervisor_file.process_runs(pid)


def state(run: Run) -> supervisor_file.SupervisorState:
    found = supervisor_file.read(run.state_dir)
    assert found is not None
    return found


def child(run: Run, name: str) -> supervisor_file.ChildState:
    return next(child for child in state(run).children if child.name == name)


@ROOT
def test_it_starts_all_says_so_in_one_line_and_stops_in_order(router: Make) -> None:
    run = router("--standby", "warm").started()
    address = find(None, run.state_dir)
    assert str(address) == f"nats://127.0.0.1:{run.port}"
    assert f"running {run.file}, bus {address}, state in {run.state_dir}" in run.said()
    assert address.token not in run.said()
    for name in ("bus.json", "nats.conf", "run.lock", "supervisor.json"):
        assert stat.S_IMODE((run.state_dir / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(run.state_dir.stat().st_mode) == 0o700
    started = {line.name: line.words for line in run.journal("started")}
    assert "warm" in started["ipvs-programmer"]
    assert all("router-a" in words and words[2] == "-" for words in started.values())
    run.signal(signal.SIGTERM)
    run.signal(signal.SIGTERM)
    assert run.ended() == 0
    assert [line.name for line in run.journal("stopped")] == [
        "vrrp-agent",
        "ipvs-programmer",
        "health-prober",
        "config-service",
    ]
    assert not (run.state_dir / "supervisor.json").exists()
    assert find(None, run.state_dir) == address, "the token outlives the run"
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", run.port)) != 0, "nats-server is gone"


@ROOT
def test_ctrl_c_goes_to_the_supervisor_alone(router: Make) -> None:
    run = router().started()
    groups = {os.getpgid(line.pid) for line in run.journal("started")}
    assert len(groups) == 4
    run.signal(signal.SIGINT)
    assert run.ended() == 0


@ROOT
@pytest.mark.parametrize("name", ["config-service", "vrrp-agent", "ipvs-programmer", "health-prober"])
def test_a_killed_service_is_back_at_once_and_knows_why(router: Make, name: str) -> None:
    run = router().started()
    for count in (1, 2, 3):
        killed = run.pid(name)
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: run.pid(name) != killed, "it is back", within=5)  # noqa: B023  # waits here
        restarted = [line for line in run.journal("started") if line.name == name][-1]
        assert restarted.words[2] == f"{count}_killed_by_SIGKILL"
        eventually(lambda: child(run, name).restarts == count, "the file says so")  # noqa: B023  # waits here
    assert "killed by SIGKILL; starting it again" in run.said()
    assert child(run, name).reason == "killed by SIGKILL"


@ROOT
def test_a_killed_bus_is_back_on_the_same_port_with_the_same_token(router: Make) -> None:
    run = router().started()
    before = find(None, run.state_dir)
    killed = child(run, "nats-server").pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: child(run, "nats-server").restarts == 1, "the supervisor saw it")

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", run.port)) == 0

    eventually(listens, "it listens again")
    assert find(None, run.state_dir) == before


@ROOT
def test_a_crash_loop_backs_off_and_the_others_run_on(router: Make) -> None:
    run = router()
    run.tell("health-prober", "ends", "1")
    run.start()
    eventually(
        lambda: "it keeps ending soon after its start; next try in 0.4 s" in run.said(),
        "it backs off",
        within=60,  # six starts of a process
    )
    eventually(
        lambda: child(run, "health-prober").problem.startswith("exit status 1"),
        "the file says so",
        every=0.005,
    )
    assert not gone(run.pid("vrrp-agent"))
    assert child(run, "vrrp-agent").restarts == 0


@ROOT
def test_status_2_waits_for_a_change_and_sighup_is_one(router: Make) -> None:
    run = router()
    run.tell("health-prober", "ends", "2")
    run.start()
    eventually(lambda: "exit status 2: it needs a change first" in run.said(), "it is a problem")
    (run.directory / "stand-ins" / "health-prober.ends").unlink()
    run.signal(signal.SIGHUP)
    eventually(
        lambda: len([x for x in run.journal("started") if x.name == "health-prober"]) == 2, "it is tried"
    )
    eventually(lambda: [x.name for x in run.journal("reload")] == ["config-service"], "one reads again")


@ROOT
def test_one_that_does_not_stop_is_killed(router: Make) -> None:
    run = router()
    run.tell("config-service", "hangs")
    run.started()
    run.signal(signal.SIGTERM)
    assert run.ended() == 0
    assert "config-service did not end within 3 s and is killed" in run.said()
    assert gone(run.pid("config-service"))


@ROOT
def test_nothing_outlives_a_killed_supervisor_and_the_next_run_waits_for_the_last(router: Make) -> None:
    run = router().started()
    pids = [line.pid for line in run.journal("started")]
    bus = child(run, "nats-server").pid
    assert bus is not None
    run.signal(signal.SIGKILL)
    run.ended()
    again = router().started()
    assert not {line.pid for line in again.journal("started")[4:]} & set(pids)
    for pid in (*pids, bus):
        assert gone(pid)
    # without an order the table stays until the addresses are gone: the programmer is not asked to clear it
    assert "ipvs-programmer" not in {line.name for line in run.journal("stopped")}


@ROOT
def test_each_child_holds_what_it_needs_and_no_more(router: Make) -> None:
    run = router().started()
    held = {line.name: int(line.words[1], 16) for line in run.journal("started")}
    net_admin, net_raw, ipc_lock, module, nice, read = (1 << n for n in (12, 13, 14, 16, 23, 2))
    programs = sum(1 << n for n in (0, 5, 6, 7))  # CHOWN, KILL, SETGID, SETUID: to run as somebody else
    own = sum(1 << n for n in range(41) if int(_capabilities(), 16) >> n & 1)
    assert held == {
        "config-service": read & own,
        "vrrp-agent": (net_admin | net_raw | ipc_lock | nice | programs) & own,
        "ipvs-programmer": (net_admin | module | programs) & own,
        "health-prober": (net_raw | programs & ~1) & own,  # a mark takes more before Linux 5.17
    }
    text = Path(f"/proc/{child(run, 'nats-server').pid}/status").read_text()
    assert "CapEff:\t0000000000000000" in text
    assert "NoNewPrivs:\t1" in text


def _capabilities() -> str:
    text = Path("/proc/self/status").read_text()
    return text.split("CapEff:")[1].split()[0]


@ROOT
def test_as_the_first_process_of_a_container_it_reaps_what_others_leave(router: Make) -> None:
    run = router(wrap=["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"])
    run.tell("vrrp-agent", "orphans")
    run.started()
    assert run.process is not None
    parent = run.process.pid
    (first,) = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    eventually(lambda: run.journal("orphan"), "the orphan has run")

    def zombies() -> list[str]:
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        return [pid for pid in children if not supervisor_file.process_runs(int(pid))]

    eventually(lambda: not zombies(), "it was reaped")
    os.kill(int(first), signal.SIGTERM)
    assert run.ended() == 0
    assert run.journal("stopped")[0].name == "vrrp-agent"


@ROOT
def test_a_missing_capability_is_one_line(router: Make) -> None:
    run = router(wrap=["setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw"]).start()
    assert run.ended() == 1
    (line,) = run.said().splitlines()
    assert "CAP_NET_RAW missing: run as root, or give this process CAP_NET_RAW" in line


def test_a_port_in_use_is_one_line(router: Make) -> None:
    run = router()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", run.port))
        holder.listen()
        run.start()
        assert run.ended() == 1
    assert (
        f"127.0.0.1:{run.port} is in use; stop what holds it, or choose --bus-port N or --bus URL"
        in run.said()
    )


@ROOT
def test_a_state_directory_in_use_says_by_whom(router: Make) -> None:
    run = router().started()
    assert run.process is not None
    second = router(text="good\n").start()
    assert second.ended() == 1
    assert f"is in use by `vipbus run` with pid {run.process.pid}; stop it or choose another" in second.said()
    assert not gone(run.pid("vrrp-agent"))


@ROOT
def test_a_state_directory_that_cannot_be_made_is_one_line(router: Make) -> None:
    run = router()
    run.state_dir.write_text("a file in the way")
    run.start()
    assert run.ended() == 1
    (line,) = run.said().splitlines()
    assert f"state directory {run.state_dir} cannot be used (File exists)" in line


@ROOT
def test_a_bad_file_passes_its_lines_through_and_leaves_nothing_running(router: Make) -> None:
    run = router(text="bad\n").start()
    assert run.ended() == 2
    assert run.said() == f"{run.file}:1: bad is no keyword; remove it\n"
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", run.port)) != 0
    assert not run.journal()


@ROOT
def test_a_bus_that_cannot_start_is_reported_in_its_own_words(router: Make) -> None:
    run = router()
    run.state_dir.mkdir()
    (run.state_dir / "jetstream").write_text("a file in the way")
    run.start()
    assert run.ended() == 1
    assert "nats-server ended (exit status 1): " in run.said()
    assert "storage directory is not a directory" in run.said()


@ROOT
def test_a_bus_elsewhere_is_used_and_its_password_kept_out_of_sight(router: Make) -> None:
    url = "nats://user:secret@127.0.0.1:1"
    run = router("--bus", url).started()
    assert find(None, run.state_dir).url == url
    assert "nats-server" not in {found.name for found in state(run).children}
    assert "secret" not in run.said()
    assert not any("secret" in word for line in run.journal() for word in line.words)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("nats://user:secret@host:4222", "nats://host:4222"),
        ("nats://host:4222", "nats://host:4222"),
        ("user:secret@host", "host"),
        ("nats://u:p@ss@host", "nats://host"),
    ],
)
def test_a_url_is_shown_without_its_secret(url: str, shown: str) -> None:
    assert without_secret(url) == shown


@ROOT
def test_a_reader_that_does_not_read_stops_nothing(router: Make) -> None:
    """A full stderr pipe would otherwise hang the one who restarts everybody."""
    run = router()
    run.tell("health-prober", "ends", "1")
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    filled = 0
    while True:
        try:
            filled += os.write(writing, b"x" * 4096)
        except BlockingIOError:
            break
    os.set_blocking(writing, True)
    run.process = subprocess.Popen(run.command, stderr=writing, env=run.environ)
    eventually(lambda: len(run.journal("started")) > 5, "children are started again")
    run.signal(signal.SIGTERM)
    assert run.ended() == 0
    os.close(reading)
    os.close(writing)


@ROOT
def test_start_takes_no_longer_than_its_parts(router: Make) -> None:
    started = time.monotonic()
    router().started()
    assert time.monotonic() - started < 10
