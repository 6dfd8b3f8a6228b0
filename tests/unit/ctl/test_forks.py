"""Services as forks: each is what an interpreter of its own would have been."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SUPERVISOR = """\
import json, os, signal, sys
from ctl.children import python_module
from ctl.forks import Forks, Program
from vipbus.runtime.privileges import Capability, before_exec

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
forks = Forks()
assert sys.argv[1] not in sys.path
sys.path.append(sys.argv[1])  # where the module is
held, other = os.open("/dev/null", os.O_RDONLY), os.open("/dev/null", os.O_RDONLY)
output = os.open(sys.argv[2], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
ends = []
for arguments in (["show"], ["show"], ["text"], ["raise"], ["status", "75"], ["end"], ["sleep"]):
    command = python_module("a_service", *arguments)
    program = Program("a-service-with-a-long-name", command, "a_service", arguments, {"ONLY": "this"})
    keep = [Capability.NET_RAW]
    become = before_exec(
        keep, parent=os.getpid(), signal_mask=(), on_parent_death=signal.SIGTERM, execs=False
    )
    fork = forks.start(program, become=become, keep=(held,), output=output)
    if arguments == ["sleep"]:
        assert fork.poll() is None
        fork.terminate()
    ends.append(fork.wait())
    assert fork.poll() == ends[-1]
    fork.kill()  # of one that has ended nothing comes
print(json.dumps([ends, held, os.getpid(), forks.current]))
"""
SERVICE = """\
import atexit, json, os, signal, sys, threading
from vipbus.telemetry.trace import random_id

def show():
    status = open("/proc/self/status").read()
    print(json.dumps({
        "argv": sys.argv[1:],
        "name": __name__,
        "cmdline": open("/proc/self/cmdline").read(),
        "comm": open("/proc/self/comm").read().strip(),
        "environ": dict(os.environ),
        "descriptors": sorted(map(int, os.listdir("/proc/self/fd")))[:-1],
        "stdin": os.readlink("/proc/self/fd/0"),
        "group": os.getpgid(0) == os.getpid(),
        "parent": os.getppid(),
        "masked": len(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "id": random_id(16),
        "status": dict(line.split(":\\t", 1) for line in status.splitlines() if ":\\t" in line),
    }))

match sys.argv[1]:
    case "show":
        show()
    case "text":
        sys.exit("what is wrong")
    case "raise":
        raise LookupError("by name")
    case "status":
        sys.exit(int(sys.argv[2]))
    case "end":
        atexit.register(lambda: print("last words"))
        threading.Timer(0.05, lambda: print("a thread's words")).start()
    case "sleep":
        signal.pause()
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Any], list[str]]:
    directory = tmp_path_factory.mktemp("forks")
    (directory / "modules").mkdir()
    (directory / "modules" / "a_service.py").write_text(SERVICE)
    (directory / "supervisor.py").write_text(SUPERVISOR)
    done = subprocess.run(
        [sys.executable, directory / "supervisor.py", directory / "modules", directory / "output"],
        stdout=subprocess.PIPE,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout), (directory / "output").read_text().splitlines()


def test_it_ends_as_an_interpreter_does(told: tuple[list[Any], list[str]]) -> None:
    (ends, _, _, current), output = told
    assert ends == [0, 0, 1, 1, 75, 0, -15]
    assert current
    assert output[2] == "what is wrong"
    assert "Traceback (most recent call last):" in output
    assert "LookupError: by name" in output
    assert output[-2:] == ["a thread's words", "last words"]


def test_it_is_given_what_a_process_of_its_own_is(told: tuple[list[Any], list[str]]) -> None:
    (_, held, supervisor, _), output = told
    shown = json.loads(output[0])
    assert shown["argv"] == ["show"]
    assert shown["name"] == "__main__"
    assert shown["comm"] == "a-service-with-"
    assert shown["cmdline"].rstrip("\0").split("\0") == [sys.executable, "-P", "-m", "a_service", "show"]
    assert shown["environ"] == {"ONLY": "this"}
    assert shown["descriptors"] == [0, 1, 2, held]
    assert shown["stdin"] == "/dev/null"
    assert shown["group"]
    assert shown["parent"] == supervisor
    assert shown["masked"] == 0


def test_no_two_draw_the_same_ids(told: tuple[list[Any], list[str]]) -> None:
    first, second = (json.loads(line)["id"] for line in told[1][:2])
    assert first != second


@pytest.mark.skipif(os.geteuid() != 0, reason="capabilities are dropped from root's")
def test_it_holds_what_is_kept_and_can_gain_no_more(told: tuple[list[Any], list[str]]) -> None:
    status = json.loads(told[1][0])["status"]
    net_raw = 1 << 13
    for which in ("CapEff", "CapPrm", "CapBnd"):
        assert int(status[which], 16) == net_raw
    assert int(status["CapInh"], 16) & ~net_raw == 0
    assert status["NoNewPrivs"] == "1"


def test_other_code_is_not_mixed_with_what_was_imported(tmp_path: Path) -> None:
    script = (
        "import vipbus\nfrom ctl.forks import Forks\nforks = Forks()\nassert forks.current\n"
        f"vipbus.__file__ = {str(tmp_path / '__init__.py')!r}\nassert not forks.current\n"
        "open(vipbus.__file__, 'w').close()\nassert not forks.current\n"
    )
    subprocess.run([sys.executable, "-c", script], timeout=60, check=True)
