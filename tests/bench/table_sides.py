"""The programs that write a table, each in a network namespace of its own, and a look into the kernel."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Literal

import msgspec

from ipvs_programmer.ipvs import IpvsKernel
from ipvs_programmer.table import Key, Pool
from tests.bench.process import cpu_seconds, usage
from tests.bench.table_shape import ROUTER, Real, Shape
from tests.lab.namespace import Namespace
from tests.support.waiting import eventually
from vipbus.bus import Bus, address
from vipbus.contracts import Operate, OperateResult, command_subject

_WITHIN = 600.0
"""Seconds for the largest table; a bound, no measure."""
_EVERY = 0.002
"""Seconds between two looks at one service."""
_METRICS = "http://127.0.0.1:9493/metrics"


class Used(msgspec.Struct, frozen=True):
    """One process, by what it is."""

    name: str
    seconds: float
    """On a processor since it began."""
    resident: int = 0
    """Bytes."""
    shared: int = 0
    """Bytes, of shared pages only its part."""


class Side:
    """A network namespace, a table in it, and what writes it."""

    def __init__(self, name: str, shape: Shape, directory: Path) -> None:
        self.shape = shape
        self.directory = directory / name
        self.file = self.directory / "keepalived.conf"
        self.namespace = Namespace(f"tb-{name}")
        self._kernel = IpvsKernel()
        self._process: subprocess.Popen[bytes] | None = None
        self._last = list(shape.pools())[-1]

    def __enter__(self) -> Side:
        self.directory.mkdir()
        self.file.write_text(self.shape.keepalived_conf())
        self.namespace.open()
        with self.namespace.entered():
            self._kernel.read([self._last[0]])  # the socket stays in this namespace
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and (log := self.directory / "log").exists():
            error.add_note(log.read_text(errors="replace")[-4000:])
        self.namespace.kill_all()
        if self._process is not None:
            self._process.wait()
        # here, not when nobody looks: a namespace's end would clear it while the next one is measured
        self.namespace.run("ipvsadm", "-C")
        self._kernel.close()
        self.namespace.close()

    # ---- the kernel

    def read(self, key: Key) -> Pool | None:
        """Read one service."""
        return self._kernel.read([key]).get(key)

    def is_written(self) -> bool:
        """Say whether the last destination of the last service is there."""
        key, pool = self._last
        found = self.read(key)
        return found is not None and len(found.destinations) == len(pool)

    def check(self) -> None:
        """Compare the whole table with what it should be.

        Raises:
            AssertionError: it is another one.
        """
        with self.namespace.entered():
            found = self._kernel.read()
        assert found == self.shape.desired(), f"{self.namespace.name}: the table is not the one of the file"

    def has_weight(self, real: Real, weight: int) -> bool:
        """Say whether a real server has this weight in the kernel."""
        key, of = self.shape.key(real)
        return self._has(key, of, weight)

    def _has(self, key: Key, of: object, weight: int) -> bool:
        found = self.read(key)
        return found is not None and found.destinations[of].weight == weight  # type: ignore[index]  # its key

    # ---- what writes

    def spawn(self, *command: str) -> None:
        """Start a program."""
        self._process = self.namespace.spawn(command, self.directory / "log")

    def seconds_to_whole(self, *command: str) -> float:
        """Start a program and measure until the whole table is there."""
        began = time.monotonic()
        self.spawn(*command)
        what = f"{command[0]} has written {self.shape.real} real servers"
        eventually(self.is_written, what, within=_WITHIN, every=_EVERY)
        took = time.monotonic() - began
        self.check()
        return took

    def seconds_to_weight(self, real: Real, weight: int) -> float:
        """Measure until a real server has a weight; whatever brings it about was just done."""
        key, of = self.shape.key(real)
        what = f"a real server has the weight {weight}"
        return eventually(lambda: self._has(key, of, weight), what, within=_WITHIN, every=_EVERY)

    def reload(self, real: Real, weight: int) -> float:
        """Change a weight in the file, send SIGHUP, and measure from there until the kernel has it."""
        assert self._process is not None
        self.file.write_text(self.shape.keepalived_conf({real: weight}))
        self._process.send_signal(signal.SIGHUP)
        return self.seconds_to_weight(real, weight)

    def calm(self, seconds: float = 1.0) -> None:
        """Wait until nothing is done any more: a second in which hardly a processor was used."""

        def idle() -> bool:
            before = self.used()
            time.sleep(seconds)
            after = self.used()
            return sum(each.seconds for each in after) - sum(each.seconds for each in before) < 0.2 * seconds

        eventually(idle, f"{self.namespace.name} is calm", within=_WITHIN)

    def used(self, *, memory: bool = False) -> list[Used]:
        """Tell what each process has used."""
        found = []
        for pid in self.namespace.pids():
            try:
                name, seconds = _name(pid), cpu_seconds(pid)
                if memory:
                    size = usage([pid])
                    found.append(Used(name, seconds, size.resident, size.shared))
                else:
                    found.append(Used(name, seconds))
            except OSError:
                continue  # it ended meanwhile
        return found


def _name(pid: int) -> str:
    arguments = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    if "-m" in arguments:
        return arguments[arguments.index("-m") + 1].replace("_", "-")
    names = [Path(argument).name for argument in arguments[:2]]
    return "vipbus run" if "vipbus" in names else names[0]


def keepalived(side: Side) -> tuple[str, ...]:
    """Give the command: in the foreground, as it comes."""
    own = side.directory
    pids = ("-p", f"{own}/parent.pid", "-r", f"{own}/vrrp.pid", "-c", f"{own}/checkers.pid")
    return ("keepalived", "-n", "-l", "-f", str(side.file), *pids)


def vipbus(side: Side) -> tuple[str, ...]:
    """Give the command: as an operator runs it, everything embedded."""
    program = str(Path(sys.executable).with_name("vipbus"))
    return (
        program,
        "run",
        "-f",
        str(side.file),
        "--router",
        ROUTER,
        "--state-dir",
        str(side.directory / "state"),
    )


def operations(side: Side) -> int:
    """Ask the programmer how many operations it has sent."""
    with side.namespace.entered(), urllib.request.urlopen(_METRICS, timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    counts = [line.rpartition(" ")[2] for line in lines if line.startswith("vipbus_ipvs_operations_total{")]
    return int(sum(map(float, counts)))


def operate(side: Side, real: Real, state: Literal["drain"] | None) -> float:
    """Ask for a drain or its end on the bus, and measure until the kernel has it."""
    key, of = side.shape.key(real)
    asked = Operate(real_server=f"{of.address}:{of.port}", state=state, by="bench-table")
    weight = 0 if state else _weight_of(side, real)

    async def ask() -> float:
        bus = Bus(address.find(None, side.directory / "state"), source="bench-table")
        bus.start()
        await bus.usable(10)
        began = time.monotonic()
        sent = asyncio.ensure_future(
            bus.request(command_subject("config-service", "operate"), msgspec.json.encode(asked), 30)
        )
        while not side._has(key, of, weight):
            assert time.monotonic() - began < _WITHIN
            await asyncio.sleep(_EVERY)
        took = time.monotonic() - began
        result = msgspec.json.decode(await sent, type=OperateResult)
        assert result.accepted, result.reason
        await bus.close()
        return took

    with side.namespace.entered():
        return asyncio.run(ask())


def _weight_of(side: Side, real: Real) -> int:
    words = side.file.read_text().split(f"real_server {side.shape.key(real)[1].address} ")[1].split()
    return int(words[words.index("weight") + 1])


def command(side: Side, verb: str, real: Real, weight: int) -> float:
    """Run ``vipbus drain`` or ``enable`` and measure from its exec until the kernel has it."""
    of = side.shape.key(real)[1]
    program = str(Path(sys.executable).with_name("vipbus"))
    began = time.monotonic()
    told = side.namespace.spawn(
        (program, verb, f"{of.address}:{of.port}", "--state-dir", str(side.directory / "state")),
        side.directory / "command.log",
    )
    side.seconds_to_weight(real, weight)
    took = time.monotonic() - began
    assert told.wait(60) == 0, (side.directory / "command.log").read_text()
    return took
