"""Scripts, files, processes, what tracks them, and sync groups."""

from __future__ import annotations

import pytest

from tests.unit.config_service.support import compiled, errors, instance, the_instance, warnings
from vipbus.contracts import (
    Program,
    SyncGroup,
    Track,
    TrackFile,
    TrackProcess,
    VrrpInstance,
    VrrpScript,
)

SCRIPT = "vrrp_script s { script /bin/true }\n"
SOURCES = (
    "vrrp_script s { script /bin/true\nweight 7 reverse }\ntrack_file f { file /run/f }\n"
    "vrrp_track_process p { process x }\n"
)


def tracks(line: str) -> tuple[Track, ...]:
    return the_instance(instance(line) + SOURCES).tracks


@pytest.mark.parametrize(
    ("line", "track"),
    [
        ("track_interface { eth1 }", Track(kind="interface", name="eth1")),
        ("track_interface { eth1 weight 253 }", Track(kind="interface", name="eth1", weight=253)),
        ("track_interface { eth1 weight -253 }", Track(kind="interface", name="eth1", weight=-253)),
        ("track_interface { eth1 weight 0 reverse }", Track(kind="interface", name="eth1", reverse=True)),
        ("track_script { s }", Track(kind="script", name="s", weight=7, reverse=True)),
        ("track_script { s weight -3 }", Track(kind="script", name="s", weight=-3, reverse=True)),
        ("track_script { s weight 3 noreverse }", Track(kind="script", name="s", weight=3)),
        ("track_script { s weight 3 no_reverse }", Track(kind="script", name="s", weight=3)),
        ("track_file { f }", Track(kind="file", name="f", weight=1)),
        ("track_file { f weight 0 }", Track(kind="file", name="f")),
        ("track_file { f weight 254 }", Track(kind="file", name="f", weight=254)),
        ("track_process { p }", Track(kind="process", name="p")),
        ("track_process { p weight 254 }", Track(kind="process", name="p", weight=253)),
        (
            "track_process { p weight -254 reverse }",
            Track(kind="process", name="p", weight=-253, reverse=True),
        ),
    ],
)
def test_lines(line: str, track: Track) -> None:
    assert tracks(line) == (track,)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("track_interface { eth1 weight 254 }", "'254' is no whole number from -253 to 253"),
        ("track_interface { eth1 eth2 }", "'eth2' after a tracked name is not known"),
        ("track_interface { eth1 reverse }", "'reverse' after a tracked name is not known"),
        ("track_interface { eth1 weight }", "weight needs a number after it"),
        ("track_interface { eth1 weight 1 weight 2 }", "weight is given twice"),
        ("track_interface { a/b }", "'a/b' is no network interface's name"),
        ("track_script { s { } }", "a line of track_script takes no block"),
        ("track_script { none }", "there is no vrrp_script 'none'; add it, or remove it here"),
        ("track_script { f }", "there is no vrrp_script 'f'"),
        ("track_file { ff }", "there is no track_file 'ff'; did you mean"),
        ("track_process { none }", "there is no vrrp_track_process 'none'"),
        ("track_file { f weight 255 }", "'255' is no whole number from -254 to 254"),
    ],
)
def test_lines_that_are_none(line: str, error: str) -> None:
    (said,) = errors(instance(line) + SOURCES)
    assert said.startswith(f"2: {error}".replace("; did you mean", ""))


def test_a_source_is_tracked_once() -> None:
    (said,) = errors(instance("track_interface { eth1", "eth1 weight 5 }"))
    assert said.startswith("3: 'eth1' is tracked on line 2 already; remove one")


@pytest.mark.parametrize(
    ("lines", "warning"),
    [
        (
            ("track_interface { eth0 }",),
            "2: eth0 has no effect here: the instance follows its own interface anyway",
        ),
        (("track_interface { eth0 weight 5 }",), "2: eth0 has no effect here: the instance follows its own"),
        (
            ("track_script { s }", "priority 255"),
            "2: s has no effect here: priority 255 of VI_1 owns the addresses",
        ),
        (("track_interface { eth1 weight 5 }", "priority 255"), "2: eth1 has no effect here: priority 255"),
    ],
)
def test_a_track_that_does_not_count(lines: tuple[str, ...], warning: str) -> None:
    text = instance(*lines) + (
        "vrrp_script s { script /bin/true\nweight 7 }\n" if "track_s" in lines[0] else ""
    )
    assert the_instance(text).tracks == ()
    (said,) = warnings(text)
    assert said.startswith(warning)


def test_a_fault_counts_for_an_owner_too() -> None:
    text = instance("track_script { s weight 0 }", "priority 255") + SCRIPT
    assert the_instance(text).tracks == (Track(kind="script", name="s"),)


def test_what_nobody_tracks_is_left_out() -> None:
    text = instance() + SOURCES
    assert [type(one).__name__ for one in compiled(text).entities] == ["VrrpSettings", "VrrpInstance"]
    assert warnings(text) == [
        "6: vrrp_script 's' is tracked by nobody and is left out",
        "8: track_file 'f' is tracked by nobody and is left out",
        "9: vrrp_track_process 'p' is tracked by nobody and is left out",
    ]


def script(*lines: str) -> str:
    return "\n".join(("vrrp_script s {", *lines, "}", "")) + instance("track_script { s }")


def the(kind: type, text: str) -> object:
    (found,) = (one for one in compiled(text).entities if isinstance(one, kind))
    return found


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("script /bin/true",), VrrpScript(router="r1", name="s", command=Program(arguments=("/bin/true",)))),
        (
            ("script \"/bin/true 'a b' c\"", "interval 0.001", "timeout 4294", "rise 2", "fall 5"),
            VrrpScript(
                router="r1",
                name="s",
                command=Program(arguments=("/bin/true", "a b", "c")),
                interval=0.001,
                timeout=4294.0,
                rise=2,
                fall=5,
            ),
        ),
        (
            ('script "killall -0 sh"', "user nobody", "init_fail"),
            VrrpScript(
                router="r1",
                name="s",
                command=Program(arguments=("killall", "-0", "sh"), user="nobody"),
                init_fail=True,
            ),
        ),
        (
            ("script '/bin/sh -c \"exit 1\"'", "user nobody :nogroup"),
            VrrpScript(
                router="r1",
                name="s",
                command=Program(arguments=("/bin/sh", "-c", "exit 1"), user="nobody", group="nogroup"),
            ),
        ),
    ],
)
def test_scripts(lines: tuple[str, ...], expected: VrrpScript) -> None:
    assert the(VrrpScript, script(*lines)) == expected


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ((), "1: vrrp_script 's' has no script; add it"),
        (("script /bin/true a",), "2: script: a command with arguments stands in quotes"),
        (('script ""',), "2: script: the command is empty"),
        (('script "/bin/true \'a"',), "2: script: the quote ' inside the command is never closed"),
        (("script /bin/true", "interval 0"), "3: interval: '0' is no number of seconds from 0.001 to 4294"),
        (("script /bin/true", "timeout 4295"), "3: timeout: '4295' is no number of seconds"),
        (("script /bin/true", "weight 254"), "3: weight: '254' is no whole number from -253 to 253"),
        (("script /bin/true", "weight 5 backwards"), "3: weight: 'backwards' after a weight is not known"),
        (("script /bin/true", "rise 0"), "3: rise: '0' is no whole number from 1"),
        (("script /bin/true", "fall 2147483648"), "3: fall: '2147483648' is no whole number"),
        (("script /bin/true", "user 0:0"), "3: user: '0:0' is no name of a user or group"),
        (("script /bin/true", "retry 5"), "3: 'retry' does not belong in vrrp_script but in virtual_server"),
    ],
)
def test_scripts_that_are_none(lines: tuple[str, ...], error: str) -> None:
    said = errors(script(*lines))
    assert said[0].startswith(error.replace("in virtual_server", "in "))


@pytest.mark.parametrize(
    ("command", "warning"),
    [
        ("/none/x", "2: script: there is no '/none/x' here; put it there before it is needed"),
        ("/etc/passwd", "2: script: '/etc/passwd' is not executable"),
        ("/etc", "2: script: '/etc' is no file"),
        ("no-such-program", "2: script: there is no program 'no-such-program' here"),
    ],
)
def test_a_program_that_is_not_here_is_told(command: str, warning: str) -> None:
    (said,) = warnings(script(f"script {command}"))
    assert said.startswith(warning)


def test_every_notify_script_is_looked_for() -> None:
    words = ("master", "backup", "fault", "stop", "deleted", "master_rx_lower_pri")
    lines = [f"notify_{word} /none/{word} root" for word in words] + ["notify /none/any"]
    said = warnings(instance(*lines))
    assert [one.partition(":")[0] for one in said] == [str(number) for number in range(2, 9)]
    assert warnings("global_defs { notify_fifo /run/x\nnotify_fifo_script /none/x }\n" + instance()) == [
        "2: notify_fifo_script: there is no '/none/x' here; put it there before it is needed"
    ]


def test_notify_deleted_alone_changes_nothing() -> None:
    assert the_instance(instance("notify_deleted")).notify.deleted is None
    assert warnings(instance("notify_deleted")) == []


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("notify_master", 'notify_master is written "notify_master COMMAND [USER [GROUP]]"'),
        ("notify_master /bin/true a b c", 'notify_master is written "notify_master COMMAND [USER [GROUP]]"'),
        ("notify_master /bin/true -x", "notify_master: '-x' is no name of a user or group"),
        ("notify_priority_changes maybe", "notify_priority_changes: 'maybe' is none of on off"),
        ("smtp_alert maybe", "smtp_alert: 'maybe' is none of on off"),
    ],
)
def test_notify_errors(line: str, error: str) -> None:
    (said,) = errors(instance(line))
    assert said.startswith(f"2: {error}")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("file /run/f",), TrackFile(router="r1", name="f", path="/run/f")),
        (("file /run/f", "init_file"), TrackFile(router="r1", name="f", path="/run/f", init=0)),
        (("file /run/f", "init_file -5"), TrackFile(router="r1", name="f", path="/run/f", init=-5)),
        (
            ("file /run/f", "init_file overwrite"),
            TrackFile(router="r1", name="f", path="/run/f", init=0, init_overwrite=True),
        ),
        (
            ("file /run/f", "init_file overwrite 7"),
            TrackFile(router="r1", name="f", path="/run/f", init=7, init_overwrite=True),
        ),
    ],
)
def test_files(lines: tuple[str, ...], expected: TrackFile) -> None:
    text = "\n".join(("track_file f {", *lines, "}", "")) + instance("track_file { f }")
    assert the(TrackFile, text) == expected


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ((), "1: track_file 'f' has no file; add it"),
        (("file run/f",), "2: file: 'run/f' is no absolute path"),
        (("file /run/f", "init_file x"), "3: init_file: 'x' is no whole number"),
        (("file /run/f", "init_file 1 2"), "3: init_file: '2' after a number is not known"),
    ],
)
def test_files_that_are_none(lines: tuple[str, ...], error: str) -> None:
    said = errors("\n".join(("track_file f {", *lines, "}", "")) + instance("track_file { f }"))
    assert said[0].startswith(error)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("process x",), TrackProcess(router="r1", name="p", process="x")),
        (("process x a 'b c'",), TrackProcess(router="r1", name="p", process="x", arguments=("a", "b c"))),
        (
            ("process x a", "param_match initial"),
            TrackProcess(router="r1", name="p", process="x", arguments=("a",), argument_match="initial"),
        ),
        (("process x", "param_match"), TrackProcess(router="r1", name="p", process="x", arguments=())),
        (
            ("process x", "quorum 3", "quorum_max 5", "delay 2", "full_command"),
            TrackProcess(
                router="r1",
                name="p",
                process="x",
                quorum=3,
                quorum_max=5,
                fork_delay=2.0,
                terminate_delay=2.0,
                full_command=True,
            ),
        ),
        (("process x", "quorum_max 0"), TrackProcess(router="r1", name="p", process="x", quorum_max=0)),
    ],
)
def test_processes(lines: tuple[str, ...], expected: TrackProcess) -> None:
    text = "\n".join(("vrrp_track_process p {", *lines, "}", "")) + instance("track_process { p }")
    assert the(TrackProcess, text) == expected


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ((), "1: vrrp_track_process 'p' has no process; add it"),
        (("process ''",), "2: process: the process has no name"),
        (("process x", "param_match exact"), "3: param_match: 'exact' is none of initial partial"),
        (("process x", "quorum 0"), "3: quorum: '0' is no whole number from 1 to 65535"),
        (("process x", "quorum 5", "quorum_max 3"), "4: quorum_max 3 is less than quorum 5; correct one"),
        (("process x", "delay 0"), "3: delay: '0' is no number of seconds from 0.000001 to 3600"),
    ],
)
def test_processes_that_are_none(lines: tuple[str, ...], error: str) -> None:
    said = errors("\n".join(("vrrp_track_process p {", *lines, "}", "")) + instance("track_process { p }"))
    assert said[0].startswith(error)


def test_names_that_cannot_be_told_apart() -> None:
    text = SCRIPT + "vrrp_script S { script /bin/true }\n" + instance("track_script { s", "S }")
    assert errors(text) == ["2: vrrp_script 'S' cannot be told from 's' on line 1; rename one"]
    # of two kinds they are two keys
    text = SCRIPT + "track_file s { file /run/s }\n" + instance("track_script { s }", "track_file { s }")
    assert len(the_instance(text).tracks) == 2


# ---- sync groups


def two(*lines: str, first: str = "nopreempt", group: str = "group { A B }") -> str:
    return (
        "\n".join(("vrrp_sync_group G {", group, *lines, "}", ""))
        + instance(first, name="A")
        + instance("virtual_router_id 52", "virtual_ipaddress { 10.9.0.2 }", name="B")
    )


def members(text: str) -> list[VrrpInstance]:
    return [one for one in compiled(text).entities if isinstance(one, VrrpInstance)]


@pytest.mark.parametrize("group", ["group { A B }", "group { A\nB }", "group { A }\ngroup { B }"])
def test_a_group(group: str) -> None:
    found = the(SyncGroup, two("notify /bin/true", group=group))
    assert isinstance(found, SyncGroup)
    assert (found.name, found.members, found.notify.any) == (
        "G",
        ("A", "B"),
        Program(arguments=("/bin/true",)),
    )


def test_what_a_group_tracks_all_its_members_track() -> None:
    text = (
        two("track_interface { eth7 weight 5 }", "track_script { s }")
        + SOURCES.partition("\ntrack")[0]
        + "\n"
    )
    shared = (
        Track(kind="interface", name="eth7", weight=5),
        Track(kind="script", name="s", weight=7, reverse=True),
    )
    assert [one.tracks for one in members(text)] == [shared, shared]


def test_what_a_member_tracks_with_a_weight_does_not_count() -> None:
    line = "track_interface { eth7 weight 5 }"
    assert members(two(first=line))[0].tracks == ()
    (said,) = warnings(two(first=line))
    assert said.startswith("5: eth7 has no effect here: in a sync group the priorities must move together")
    for word in ("sync_group_tracking_weight", "global_tracking"):
        assert members(two(word, first=line))[0].tracks == (Track(kind="interface", name="eth7", weight=5),)
    assert members(two(first="track_interface { eth7 }"))[0].tracks == (Track(kind="interface", name="eth7"),)


def test_what_both_track_counts_once() -> None:
    text = two("track_interface { eth7 weight 5 }", first="track_interface { eth7 }")
    assert members(text)[0].tracks == (Track(kind="interface", name="eth7", weight=5),)
    (said,) = warnings(text)
    assert said.startswith("6: eth7 has no effect here: its sync group follows it already")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (two(group="group { A C }"), "2: there is no vrrp_instance 'C'; add it, or remove it here"),
        (
            two(group="group { A A B }"),
            "2: 'A' is in vrrp_sync_group 'G' on line 1 already; an instance has one",
        ),
        (two(group="group { }"), "1: vrrp_sync_group 'G' has no members; add group { NAME ... }"),
        (two(group=""), "1: vrrp_sync_group 'G' has no members"),
        (two(group="group { A { } }"), "2: group: a line of group takes no block"),
        (two("track_interface { eth0 }"), "3: eth0 is the interface of A, which follows it by itself"),
        (two("track_script { x }"), "3: there is no vrrp_script 'x'"),
        (
            two() + "vrrp_sync_group H { group { A B } }\n",
            "15: 'A' is in vrrp_sync_group 'G' on line 1 already",
        ),
        (
            two(group="group { A }") + "vrrp_sync_group g { group { B } }\n",
            "15: vrrp_sync_group 'g' cannot be told from 'G' on line 1",
        ),
        (two("priority 5"), "3: 'priority' does not belong in vrrp_sync_group but in vrrp_instance"),
    ],
)
def test_groups_that_are_none(text: str, error: str) -> None:
    assert any(said.startswith(error) for said in errors(text))


def test_a_group_of_one_is_told() -> None:
    assert warnings(two(group="group { A }")) == ["1: vrrp_sync_group 'G' has one member only"]


def test_the_summary_counts_groups_and_scripts() -> None:
    text = two("track_script { s }") + SCRIPT
    assert compiled(text).summary == "2 instances, 1 sync group, 1 script, 0 virtual servers, 0 real servers"
