"""The command line itself: what is refused, in words, before anything starts."""

from __future__ import annotations

import pytest

from ctl.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["run"], "the following arguments are required: -f/--file"),
        (["run", "-f", "x", "--bus-port", "0"], "'0' is no port (1 to 65535)"),
        (["run", "-f", "x", "--bus-port", "http"], "'http' is no port (1 to 65535)"),
        (["run", "-f", "x", "--standby", "hot"], "invalid choice: 'hot'"),
        (["run", "-f", "x", "--metrics", "9490"], "--metrics: '9490' is not HOST:PORT, nor off"),
        (["run", "-f", "x", "--metrics", "[::1]:65533"], "there must be 3 ports after it"),
        (
            ["run", "-f", "x", "--bus", "nats://"],
            "--bus: this is no NATS URL; write one server as nats://HOST:PORT",
        ),
        (["status", "--bus", "http://127.0.0.1:4222"], "this is no NATS URL"),
        (["events", "--bus", "nats://127.0.0.1:port"], "this is no NATS URL"),
        (["config", "reload", "--bus", "nats://a:1,nats://b:2"], "this is no NATS URL"),
        (["status", "--bus", "nats://[::1"], "this is no NATS URL"),
        (["config"], "the following arguments are required: COMMAND"),
        (["handover"], "the following arguments are required: INSTANCE"),
        (["handover", "VI_1", "--wait", "-1"], "'-1' is no time (0 to 3600 seconds)"),
        (["handover", "VI_1", "--wait", "nan"], "'nan' is no time (0 to 3600 seconds)"),
        (["handover", "VI_1", "--wait", "soon"], "'soon' is no time (0 to 3600 seconds)"),
        (["handover", "", "--bus", "nats://127.0.0.1:1"], "an empty name names nothing"),
        (["handover", "VI_1", "--to", "", "--bus", "nats://127.0.0.1:1"], "an empty name names nothing"),
        (["drain"], "the following arguments are required: REAL-SERVER"),
        (["drain", "10.9.0.21:80", "--wait", "-1"], "'-1' is no time (0 to 3600 seconds)"),
        (["disable", "", "--bus", "nats://127.0.0.1:1"], "an empty name names nothing"),
        (["enable", "x", "--virtual-server", "", "--bus", "nats://127.0.0.1:1"], "an empty name names"),
        (["enable", "x", "--by", "", "--bus", "nats://127.0.0.1:1"], "an empty name names nothing"),
        (["vrrp"], "the following arguments are required: COMMAND"),
        (["vrrp", "show", ""], "an empty name names nothing"),
        (["vrrp", "show", "--router", ""], "an empty name names nothing"),
        (["probe"], "the following arguments are required: VIRTUAL-SERVER"),
        (["probe", "a", "b", "c"], "unrecognized arguments: c"),
        (["probe", ""], "an empty name names nothing"),
        (["probe", "10.9.0.1:80", ""], "an empty name names nothing"),
        (["probe", "10.9.0.1:80", "--from", ""], "an empty name names nothing"),
        (["probe", "10.9.0.1:80", "--check", ""], "an empty name names nothing"),
        (["events", "a", "b"], "unrecognized arguments: b"),
    ],
)
def test_what_makes_no_sense_is_refused_with_status_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main(arguments)
    except SystemExit as end:
        status = end.code  # type: ignore[assignment]  # argparse ends with a number
    assert status == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["status", "--help"],
        ["events", "--help"],
        ["handover", "--help"],
        ["probe", "--help"],
        ["drain", "--help"],
        ["disable", "--help"],
        ["enable", "--help"],
        ["vrrp", "show", "--help"],
        ["config", "reload", "--help"],
    ],
)
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("usage: vipbus")
