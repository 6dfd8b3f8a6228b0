"""Log lines: one readable line an event, JSON on request."""

from __future__ import annotations

import logging
import subprocess
import sys

import msgspec

from vipbus.telemetry.logs import JsonFormatter, LineFormatter, Seldom


def record(message: str, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("vipbus.test", level, __file__, 1, message, (), None)


def test_a_line_says_when_who_and_what() -> None:
    line = LineFormatter("vrrp-agent", "router-a").format(record("VI_1 is active"))
    assert line.split(" ", 1)[1] == "vrrp-agent router-a VI_1 is active"
    line = LineFormatter("health-prober", None).format(record("late", logging.WARNING))
    assert line.split(" ", 1)[1] == "health-prober WARNING late"


def test_what_came_from_elsewhere_moves_no_cursor_and_makes_no_line() -> None:
    forged = record("VI_1\x1b[2J is\n12:00:00.000 vrrp-agent all is well\x9b1m\u202e")
    line = LineFormatter("vrrp-agent", "router-a").format(forged)
    assert line.isprintable()
    assert "VI_1\ufffd[2J is\ufffd12:00" in line


def test_json_is_one_object_a_line() -> None:
    written = JsonFormatter("vrrp-agent", "router-a").format(record('a "quoted"\nthing'))
    assert "\n" not in written
    read = msgspec.json.decode(written)
    assert read["message"] == 'a "quoted"\nthing'
    assert (read["service"], read["router"], read["level"]) == ("vrrp-agent", "router-a", "info")


def test_the_last_line_of_a_process_is_not_lost() -> None:
    code = (
        "import logging; from vipbus.telemetry import logs; logs.configure('s', None, 'line');"
        "logging.getLogger('x').error('the end')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stderr.endswith("s ERROR the end\n")


def test_a_full_pipe_never_blocks_the_loop() -> None:
    code = (
        "import logging, time; from vipbus.telemetry import logs, standard;"
        "logs.configure('s', None, 'line');"
        "started = time.monotonic();"
        "[logging.getLogger('x').info('x' * 100) for _ in range(20000)];"
        "print(standard.LOG_LINES_DROPPED.value() > 0, time.monotonic() - started < 30, flush=True);"
        "import os; os._exit(0)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    # stderr is a pipe that nobody reads
    assert process.stdout.readline().split() == ["True", "True"]
    process.wait(10)
    process.stdout.close()
    assert process.stderr is not None
    process.stderr.close()


def test_a_library_that_repeats_itself_is_heard_seldom() -> None:
    seldom = Seldom("opentelemetry")

    def passes(name: str, second: float, text: str = "Failed to export") -> bool:
        record = logging.LogRecord(name, logging.ERROR, "", 1, text, (), None)
        record.created = 1_000_000.0 + second
        return bool(seldom.filter(record))

    assert passes("opentelemetry.exporter", 0)
    assert not passes("opentelemetry.exporter", 7)
    assert passes("opentelemetry.exporter", 7, "something else")
    assert passes("opentelemetry.exporter", 601)
    assert all(passes("vipbus.bus.connection", second) for second in (0, 1, 2))
