"""Notifications for real: beside keepalived's own, in order, through pipes, programs and mail, to the end."""

from __future__ import annotations

import os
import secrets
import signal
import stat
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.namespace import Namespace
from tests.support.nats import free_port
from tests.support.side import Bench, running, script
from tests.support.smtp import MailServer
from tests.support.vrrp import needs_root
from tests.support.waiting import eventually
from vipbus.contracts import Fifo, Mail, Notify, Program, VrrpConfiguration, VrrpSettings
from vipbus.runtime.notify import fifo as fifo_module
from vrrp_agent import metrics
from vrrp_agent.expected import Expected
from vrrp_agent.notify import mail as mail_module
from vrrp_agent.notify.notifier import Notifier
from vrrp_agent.notify.told import Told, ToldState
from vrrp_agent.packet import Advertisement, encode
from vrrp_agent.side import Side

pytestmark = needs_root


class Pipe:
    """The reading end of a named pipe, and what came out of it; opened again when it is another one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1
        self._text = ""

    def open(self) -> None:
        """Open what is there now; it holds its writer's lines until they are read."""
        self.close()
        eventually(self.path.is_fifo, f"{self.path} is there")
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)

    def lines(self) -> list[str]:
        """Read what there is; give all of it since the first."""
        while True:
            try:
                self._text += os.read(self._descriptor, 1 << 16).decode()
            except BlockingIOError:
                return self._text.splitlines()

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def recorder(directory: Path) -> Callable[..., Program]:
    """Make programs that write down what they are called with, a line each."""
    path = script(
        directory / "record",
        'line=; for each in "$@"; do line="$line <$each>"; done',
        f'echo "$line" >> {directory}/calls',
    )
    return lambda *arguments: Program(arguments=(path, *arguments), user="root")


def calls(directory: Path) -> list[str]:
    """Give what the recorded programs were called with."""
    path = directory / "calls"
    return path.read_text().splitlines() if path.exists() else []


# ---- beside keepalived


class Keepalived:
    """The real one, on one interface of a namespace that is connected to nobody."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.namespace = Namespace(f"vn{secrets.token_hex(4)}")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Keepalived:
        self.namespace.open()
        self.namespace.ip("link", "add", "eth0", "type", "veth", "peer", "name", "p0")
        self.namespace.ip("addr", "add", "10.78.0.1/24", "dev", "eth0")
        for name in ("eth0", "p0"):
            self.namespace.ip("link", "set", name, "up")
        return self

    def __exit__(self, *_: object) -> None:
        self.namespace.close()

    def start(self, configuration: str) -> None:
        self.write(configuration)
        files = [f"--{kind}={self.directory / kind}" for kind in ("pid", "vrrp_pid")]
        self._process = self.namespace.spawn(
            ["keepalived", "-f", str(self.directory / "k.conf"), *files, "-n", "-l", "-D", "--vrrp"],
            self.directory / "log",
        )

    def write(self, configuration: str) -> None:
        (self.directory / "k.conf").write_text(configuration)

    def reload(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(10)

    def advertise(self, virtual_router_id: int, priority: int) -> None:
        """Be another router, once."""
        message = encode(
            Advertisement(
                version=3,
                virtual_router_id=virtual_router_id,
                priority=priority,
                interval=0.1,
                addresses=(f"10.78.0.{virtual_router_id}",),
                source="10.78.0.9",
            ),
            Expected(name="other", family=4, version=3, virtual_router_id=virtual_router_id, interval=0.1),
            "224.0.0.18",
        )
        from scapy.all import IP, Ether, Raw, conf, sendp  # noqa: PLC0415  # it takes a second

        conf.verb = 0
        with self.namespace.entered():
            packet = IP(src="10.78.0.9", dst="224.0.0.18", ttl=255, proto=112) / Raw(message)
            sendp(Ether(dst="01:00:5e:00:00:12", src="02:00:00:00:00:09") / packet, iface="p0")


def keepalived_instance(name: str, number: int, *lines: str) -> str:
    return "\n".join(
        (
            f"vrrp_instance {name} {{",
            " interface eth0",
            f" virtual_router_id {number}",
            " priority 100",
            " version 3",
            " advert_int 0.1",
            *(f" {line}" for line in lines),
            " virtual_ipaddress {",
            f"  10.78.0.{number}",
            " }",
            "}",
            "",
        )
    )


def notify_lines(notify: Notify) -> list[str]:
    """Write a Notify as keepalived reads it."""
    found = []
    for keyword, program in (
        ("notify_master", notify.master),
        ("notify_backup", notify.backup),
        ("notify_fault", notify.fault),
        ("notify_stop", notify.stop),
        ("notify_deleted", notify.deleted),
        ("notify_master_rx_lower_pri", notify.master_rx_lower_pri),
        ("notify", notify.any),
    ):
        if program is not None:
            quoted = " ".join(f"'{each}'" if " " in each else each for each in program.arguments)
            found.append(f'{keyword} "{quoted}"')
    if notify.priority_changes:
        found.append("notify_priority_changes true")
    return found


def notify_of(record: Callable[..., Program], mark: str, **changes: Any) -> Notify:
    base: dict[str, Any] = {
        name: record(mark, name, "two words") for name in ("master", "backup", "fault", "stop", "any")
    }
    return Notify(**{**base, **changes})


def test_the_same_lines_and_arguments_as_keepalived(tmp_path: Path, start_side: Callable[..., Side]) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.mkdir()
    ours.mkdir()
    weight, fault = tmp_path / "weight", tmp_path / "fault"
    weight.write_text("0\n")
    fault.write_text("1\n")

    def one(record: Callable[..., Program]) -> Notify:
        return notify_of(record, "1", priority_changes=True, master_rx_lower_pri=record("1", "low"))

    def two(record: Callable[..., Program]) -> Notify:
        return notify_of(record, "2")

    def group(record: Callable[..., Program]) -> Notify:
        return notify_of(record, "g")

    record = recorder(theirs)
    configuration = "\n".join(
        (
            "global_defs {",
            " script_user root",
            f" vrrp_notify_fifo {theirs}/fifo",
            "}",
            f"track_file weight {{\n file {weight}\n weight 1\n}}",
            f"track_file fault {{\n file {fault}\n weight 0\n}}",
            keepalived_instance("VI_1", 51, "track_file {", " weight", "}", *notify_lines(one(record))),
            keepalived_instance("VI_2", 52, "track_file {", " fault", "}", *notify_lines(two(record))),
            "vrrp_sync_group G1 {",
            " group {\n  VI_2\n }",
            *notify_lines(group(record)),
            "}",
            "",
        )
    )
    pipe = Pipe(theirs / "fifo")
    story: list[tuple[str, ToldState, int]] = []

    def then(*changes: tuple[str, ToldState, int]) -> None:
        """Wait until keepalived has told of these changes too."""
        story.extend(changes)
        eventually(lambda: len(pipe.lines()) >= len(story), f"keepalived tells of {changes}", within=20)

    with Keepalived(theirs) as keepalived:
        keepalived.start(configuration)
        pipe.open()
        then(
            ("VI_2", "FAULT", 100),
            ("G1", "FAULT", 0),
            ("VI_1", "BACKUP", 100),
            ("VI_1", "MASTER", 100),
        )
        weight.write_text("5\n")
        then(("VI_1", "MASTER_PRIORITY", 105))
        keepalived.advertise(51, 50)
        then(("VI_1", "MASTER_RX_LOWER_PRI", 105))
        fault.write_text("0\n")
        then(
            ("VI_2", "BACKUP", 100),
            ("G1", "BACKUP", 0),
            ("VI_2", "MASTER", 100),
            ("G1", "MASTER", 0),
        )
        fault.write_text("2\n")
        then(("VI_2", "FAULT", 100), ("G1", "FAULT", 0))
        keepalived.stop()
        then(("VI_1", "STOP", 105), ("VI_2", "STOP", 100), ("G1", "STOP", 0))
        eventually(lambda: len([each for each in calls(theirs) if "STOP" in each]) == 3, "the last calls")
        time.sleep(0.2)  # whatever else it calls
    record = recorder(ours)
    notifies = {"VI_1": one(record), "VI_2": two(record), "G1": group(record)}
    ours_pipe = Pipe(ours / "fifo")
    side = start_side()
    side.configure(configured(vrrp_notify_fifo=Fifo(path=str(ours / "fifo"))))
    ours_pipe.open()
    for name, state, priority in story:
        kind: Any = "GROUP" if name == "G1" else "INSTANCE"
        side.tell(Told(kind=kind, name=name, state=state, priority=priority, notify=notifies[name]))
    side.finish(10)

    def about(lines: list[str], *names: str) -> list[str]:
        return [line for line in lines if any(f'"{name}"' in line for name in names)]

    for names in (("VI_1",), ("VI_2", "G1")):
        assert about(ours_pipe.lines(), *names) == about(pipe.lines(), *names)
    assert Counter(calls(ours)) == Counter(calls(theirs))
    ours_pipe.close()
    pipe.close()


def test_who_leaves_the_configuration_as_with_keepalived(
    tmp_path: Path, start_side: Callable[..., Side]
) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.mkdir()
    ours.mkdir()

    def notifies(record: Callable[..., Program]) -> dict[str, Notify]:
        with_program = notify_of(record, "2", deleted=record("2", "deleted"))
        return {"VI_2": with_program, "VI_3": notify_of(record, "3")}

    head = (
        "global_defs {\n script_user root\n"
        f" vrrp_notify_fifo {theirs}/fifo\n}}\n{keepalived_instance('VI_1', 51)}"
    )
    leaving = "".join(
        keepalived_instance(name, number, *notify_lines(notify))
        for number, (name, notify) in enumerate(notifies(recorder(theirs)).items(), start=52)
    )
    pipe = Pipe(theirs / "fifo")
    with Keepalived(theirs) as keepalived:
        keepalived.start(head + leaving)
        pipe.open()
        eventually(lambda: sum("MASTER" in line for line in pipe.lines()) == 3, "all are master")
        eventually(lambda: len(calls(theirs)) == 8, "all programs have run")
        (theirs / "calls").unlink()
        keepalived.write(head)
        inode = (theirs / "fifo").stat().st_ino
        keepalived.reload()
        eventually(
            lambda: (theirs / "fifo").exists() and (theirs / "fifo").stat().st_ino != inode,
            "keepalived makes another pipe",
        )
        again = Pipe(theirs / "fifo")
        again.open()
        eventually(lambda: len(calls(theirs)) == 3, "the programs of those that left")
        eventually(lambda: len(again.lines()) == 2, "the lines about those that left")
        left = sorted(again.lines())
        (theirs / "calls").rename(theirs / "first")
        keepalived.stop()
        (theirs / "first").rename(theirs / "calls")
    side = start_side()
    side.configure(configured(vrrp_notify_fifo=Fifo(path=str(ours / "fifo"))))
    ours_pipe = Pipe(ours / "fifo")
    ours_pipe.open()
    for name, notify in notifies(recorder(ours)).items():
        side.tell(Told(name=name, state="DELETED", priority=100, notify=notify))
    side.finish(10)
    assert Counter(calls(ours)) == Counter(calls(theirs))
    assert sorted(ours_pipe.lines()) == left
    for each in (pipe, again, ours_pipe):
        each.close()


# ---- pipes and programs


def configured(**changes: Any) -> VrrpConfiguration:
    settings: dict[str, Any] = {"router": "r", "script_user": "root"}
    return VrrpConfiguration(router="r", settings=VrrpSettings(**{**settings, **changes}))


@pytest.fixture
def bench() -> Iterator[Bench]:
    with Bench() as made:
        yield made


@pytest.fixture
def notifier(bench: Bench) -> Iterator[Notifier]:
    made = Notifier(bench.poller, bench.alarms, bench.runner, router="r", problem=bench.problem)
    yield made
    made.close(1.0)


def told(number: int, notify: Notify = Notify(), name: str = "VI_1", **changes: Any) -> Told:  # noqa: B008
    states: tuple[ToldState, ...] = ("MASTER", "BACKUP", "FAULT")
    base: dict[str, Any] = {"state": states[number % 3], "priority": number, "notify": notify, "name": name}
    return Told(**{**base, **changes})


def test_a_hundred_quick_changes_keep_their_order(bench: Bench, notifier: Notifier, tmp_path: Path) -> None:
    path = script(
        tmp_path / "slow",
        "case $3 in *[37]) sleep 0.05;; esac",
        f"echo $1 $2 $3 $4 >> {tmp_path}/calls",
    )
    settings = configured(notify_fifo=Fifo(path=str(tmp_path / "fifo"))).settings
    notifier.configure(settings)
    pipe = Pipe(tmp_path / "fifo")
    pipe.open()
    for number in range(100):
        for name in ("A", "B"):
            notifier.tell(told(number, Notify(any=Program(arguments=(path,))), name))
    bench.until(lambda: len(calls(tmp_path)) == 200, "all programs have run", within=60)
    states = ("MASTER", "BACKUP", "FAULT")
    for name in ("A", "B"):
        expected = [f"INSTANCE {name} {states[number % 3]} {number}" for number in range(100)]
        assert [line for line in calls(tmp_path) if f" {name} " in line] == expected
        quoted = [line.replace(f" {name} ", f' "{name}" ') for line in expected]
        assert [line for line in pipe.lines() if f'"{name}"' in line] == quoted
    bench.until(lambda: notifier.done, "it is done")
    pipe.close()


def test_one_that_hangs_holds_the_next_back_for_a_while(
    bench: Bench, notifier: Notifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vipbus.runtime.notify.order.PATIENCE", 0.6)
    record = recorder(tmp_path)
    hang = script(tmp_path / "hang", f"{record().arguments[0]} hang", "sleep 30")
    notify = Notify(master=Program(arguments=(hang,)), backup=record("backup"))
    began = time.monotonic()
    notifier.tell(told(0, notify))
    notifier.tell(told(1, notify))
    notifier.tell(told(1, notify, "other"))
    bench.until(lambda: len(calls(tmp_path)) == 2, "the other instance waits for nobody")
    assert sorted(calls(tmp_path)) == [" <backup>", " <hang>"]
    bench.until(lambda: len(calls(tmp_path)) == 3, "the next has its turn")
    assert time.monotonic() - began >= 0.6
    for pid in running(hang):
        os.killpg(os.getpgid(pid), signal.SIGKILL)


def test_programs_that_fail_are_said_and_hold_nothing_up(
    bench: Bench, notifier: Notifier, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record = recorder(tmp_path)
    before = metrics.NOTIFICATIONS.value(way="program", outcome="failed")
    notify = Notify(
        master=Program(arguments=("/no/such/program",)),
        backup=Program(arguments=("sh", "-c", "exit 3")),
        fault=record("fault"),
    )
    for number in range(3):
        notifier.tell(told(number, notify))
    bench.until(lambda: calls(tmp_path), "the last one has run")
    assert "/no/such/program of INSTANCE VI_1 (MASTER): /no/such/program cannot be run" in caplog.text
    assert "sh of INSTANCE VI_1 (BACKUP): exit status 3" in caplog.text
    assert metrics.NOTIFICATIONS.value(way="program", outcome="failed") == before + 2


def test_a_pipe_that_nobody_reads_keeps_its_lines(
    bench: Bench, notifier: Notifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "fifo"
    notifier.configure(configured(notify_fifo=Fifo(path=str(path))).settings)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for number in range(5000):  # several times what the kernel keeps
        notifier.tell(told(number))
    assert metrics.NOTIFICATIONS_WAITING.value(way="fifo") > 1000
    pipe = Pipe(path)
    pipe.open()
    bench.until(lambda: len(pipe.lines()) == 5000, "all lines come out")
    assert [line.rpartition(" ")[2] for line in pipe.lines()] == [str(number) for number in range(5000)]
    # without end it cannot be: the oldest go, and are counted
    monkeypatch.setattr(fifo_module, "MOST", 100)
    before = metrics.NOTIFICATIONS.value(way="fifo", outcome="dropped")
    for number in range(5000, 9000):
        notifier.tell(told(number))
    dropped = metrics.NOTIFICATIONS.value(way="fifo", outcome="dropped") - before
    assert dropped > 0
    bench.until(lambda: len(pipe.lines()) == 9000 - dropped, "the rest comes out")
    assert pipe.lines()[-1] == 'INSTANCE "VI_1" FAULT 8999'
    pipe.close()


def test_a_pipe_that_is_taken_away_or_is_none(
    bench: Bench, notifier: Notifier, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "fifo"
    path.write_text("a file")
    notifier.configure(configured(notify_fifo=Fifo(path=str(path))).settings)
    notifier.tell(told(1))
    assert f"{path} is no named pipe" in caplog.text
    assert path.read_text() == "a file"
    path.unlink()
    bench.until(path.is_fifo, "it is made")
    pipe = Pipe(path)
    pipe.open()
    bench.until(lambda: pipe.lines() == ['INSTANCE "VI_1" BACKUP 1'], "what waited is written")
    path.unlink()
    notifier.tell(told(2))
    pipe.open()
    assert pipe.lines()[-1] == 'INSTANCE "VI_1" FAULT 2'
    pipe.close()


def test_a_pipe_that_stays_in_the_configuration_stays_open(notifier: Notifier, tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    settings = configured(notify_fifo=Fifo(path=str(path)), vrrp_notify_fifo=Fifo(path=str(path))).settings
    notifier.configure(settings)
    pipe = Pipe(path)
    pipe.open()
    notifier.configure(configured(notify_fifo=Fifo(path=str(path)), nice=3).settings)
    notifier.tell(told(0))
    assert pipe.lines() == ['INSTANCE "VI_1" MASTER 0']
    pipe.close()


def reader(directory: Path) -> str:
    return script(
        directory / "reader",
        f'echo "started $*" >> {directory}/read',
        "while read -r line; do",
        f'echo "$line" >> {directory}/read',
        'case "$line" in *9) exit 1;; esac',
        "done < $2",
        f"echo end >> {directory}/read",
    )


def test_its_program_is_started_again_and_hears_the_last_word(
    tmp_path: Path, start_side: Callable[..., Side]
) -> None:
    tmp_path.chmod(0o755)
    side = start_side()
    path = tmp_path / "fifo"
    config = Fifo(path=str(path), script=Program(arguments=(reader(tmp_path), "x"), user="root"))
    side.configure(configured(vrrp_notify_fifo=config))
    read = lambda: (tmp_path / "read").read_text().splitlines() if (tmp_path / "read").exists() else []  # noqa: E731
    side.tell(told(0))
    side.tell(told(9))
    eventually(lambda: read().count(f"started x {path}") == 2, "it ended and is there again")
    side.tell(told(10))
    eventually(lambda: 'INSTANCE "VI_1" BACKUP 10' in read(), "it reads again")
    side.tell(told(1, state="STOP"))
    side.finish()
    assert read()[-2:] == ['INSTANCE "VI_1" STOP 1', "end"]
    assert not running(str(tmp_path / "reader"))


def test_the_pipe_belongs_to_whoever_reads_it(bench: Bench, notifier: Notifier, tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    bench.runner.configure(VrrpSettings(router="r", script_user="nobody"))
    notifier.configure(configured(notify_fifo=Fifo(path=str(path))).settings)
    bench.until(lambda: path.stat().st_uid == 65534, "it is given away")


# ---- the end


def test_the_last_word_is_told_before_the_end(tmp_path: Path, start_side: Callable[..., Side]) -> None:
    record = recorder(tmp_path)
    side = start_side()
    side.configure(configured())
    for name in ("A", "B"):
        side.tell(told(0, Notify(any=record()), name, state="STOP"))
    began = time.monotonic()
    side.finish(60.0)
    assert time.monotonic() - began < 50
    assert sorted(calls(tmp_path)) == [" <INSTANCE> <A> <STOP> <0>", " <INSTANCE> <B> <STOP> <0>"]


def test_one_that_hangs_does_not_keep_the_last_word_back(
    tmp_path: Path, mark: str, start_side: Callable[..., Side]
) -> None:
    record = recorder(tmp_path)
    side = start_side()
    side.configure(configured())
    notify = Notify(master=Program(arguments=("sleep", mark)), any=record())
    side.tell(told(0, notify))
    for number in range(5):
        side.tell(told(number, notify, state="BACKUP"))
    side.tell(told(0, notify, state="STOP"))
    eventually(lambda: running(mark), "it runs")
    began = time.monotonic()
    side.finish(2.0)
    assert time.monotonic() - began < 6
    # its end is not waited for, nor is it cut short: keepalived leaves it alone too
    eventually(lambda: calls(tmp_path)[-1:] == [" <INSTANCE> <VI_1> <STOP> <0>"], "the last word is told")
    assert running(mark)


def test_everything_is_started_before_the_end(
    tmp_path: Path, mark: str, start_side: Callable[..., Side]
) -> None:
    record = recorder(tmp_path)
    side = start_side()
    side.configure(configured())
    notify = Notify(backup=Program(arguments=("sleep", mark)), any=record())
    for number in range(100):
        side.tell(told(number, notify, state="BACKUP"))
    began = time.monotonic()
    side.finish(1.0)
    assert time.monotonic() - began < 10
    eventually(lambda: len(calls(tmp_path)) == 100, "every change is told of", within=30)


def test_an_end_with_nothing_to_tell_is_quick(start_side: Callable[..., Side]) -> None:
    side = start_side()
    began = time.monotonic()
    side.finish(10.0)
    assert time.monotonic() - began < 5
    Side(router="r", seen=print, problem=print).finish(10.0)  # never started


# ---- mail


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer() as made:
        yield made


def mail_to(server: MailServer, **changes: Any) -> VrrpSettings:
    base: dict[str, Any] = {
        "recipients": ("a@example.org", "b@example.org"),
        "sender": "router@example.org",
        "host": "127.0.0.1",
        "port": server.port,
        "helo": "router-a",
    }
    return configured(mail=Mail(**{**base, **changes})).settings


_MAILED = Notify(mail=True)


def test_mail(notifier: Notifier, server: MailServer) -> None:
    notifier.configure(mail_to(server))
    notifier.tell(told(0, _MAILED, cause="priority 100; VI_1 \u2192 gateway"))
    notifier.tell(told(1))  # nobody asked for mail
    notifier.tell(told(2, _MAILED))
    eventually(lambda: len(server.mails) == 2, "both are sent")
    assert server.subjects == ["[r] VRRP instance VI_1 is active", "[r] VRRP instance VI_1 is in fault"]
    assert server.envelopes[0] == ("router@example.org", ["a@example.org", "b@example.org"])
    assert server.hellos[0] == "router-a"
    mail = server.mails[0]
    assert (mail["From"], mail["To"]) == ("router@example.org", "a@example.org, b@example.org")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"]
    assert mail["Message-ID"]
    assert "Cause:    priority 100; VI_1 \u2192 gateway" in mail.get_content()


def test_a_server_that_is_away_gets_all_of_it_in_order(
    bench: Bench, notifier: Notifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_module, "FIRST_RETRY", 0.05)
    monkeypatch.setattr(mail_module, "LONGEST_RETRY", 0.2)
    port = free_port()
    settings = configured(
        mail=Mail(recipients=("a@example.org",), sender="r@example.org", port=port, timeout=2)
    ).settings
    notifier.configure(settings)
    for number in range(6):
        notifier.tell(told(number, _MAILED, f"VI_{number}"))
    eventually(lambda: "mail" in bench.problems, "it is said")
    assert f"mail server 127.0.0.1:{port} takes no mail" in bench.problems["mail"]
    with MailServer(port) as server:
        refused = iter(["451 later"] * 2)
        server.answer = lambda line: next(refused, None) if line.startswith("MAIL") else None
        eventually(lambda: len(server.mails) == 6, "all are sent")
        assert [subject.split()[3] for subject in server.subjects] == [f"VI_{number}" for number in range(6)]
        eventually(lambda: "mail" not in bench.problems, "it is all right again")


def test_what_is_refused_for_good_does_not_hold_the_next_up(
    bench: Bench, notifier: Notifier, server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    answers = iter(["550 no such mailbox"] * 2)
    server.answer = lambda line: next(answers, None) if line.startswith(("RCPT", "rcpt")) else None
    notifier.configure(mail_to(server))
    for number in range(2):
        notifier.tell(told(number, _MAILED))
    eventually(lambda: len(server.mails) == 1, "the second is sent")
    assert server.subjects == ["[r] VRRP instance VI_1 is backup"]
    assert "is refused: no such mailbox" in caplog.text
    assert "mail" not in bench.problems


def test_a_server_that_hangs_holds_nobody_else_up(
    tmp_path: Path, server: MailServer, start_side: Callable[..., Side]
) -> None:
    def hang(_: str) -> None:
        time.sleep(30)

    server.answer = hang
    record = recorder(tmp_path)
    side = start_side()
    side.configure(
        VrrpConfiguration(router="r", settings=mail_to(server, timeout=20)),
    )
    for number in range(3):
        side.tell(told(number, Notify(any=record(), mail=True)))
    eventually(lambda: len(calls(tmp_path)) == 3, "the programs have run")
    began = time.monotonic()
    side.finish(1.0)
    assert time.monotonic() - began < 5


def test_mail_that_nobody_takes_does_not_pile_up(
    bench: Bench, notifier: Notifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_module, "MOST", 10)
    before = metrics.NOTIFICATIONS.value(way="mail", outcome="dropped")
    settings = configured(
        mail=Mail(recipients=("a@example.org",), sender="r@example.org", port=free_port())
    ).settings
    notifier.configure(settings)
    for number in range(50):
        notifier.tell(told(number, _MAILED))
    assert metrics.NOTIFICATIONS.value(way="mail", outcome="dropped") == before + 40
    assert metrics.NOTIFICATIONS_WAITING.value(way="mail") == 10
    assert bench is not None
