"""Two routers that run one program: an active one that can be crashed or stopped, and its backup."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from dataclasses import dataclass
from typing import Literal

from tests.bench.answers import Answers, Asking
from tests.bench.cable import Cable
from tests.bench.wire import Heard, Listener
from tests.support.vrrp import Network, Router, instance, keepalived_conf
from tests.support.waiting import eventually
from vipbus.contracts import VirtualAddress, VrrpInstance

Program = Literal["vipbus", "keepalived", "keepalived-rt"]
"""keepalived runs as any process where nothing is configured; ``-rt`` asks for the same as vipbus does."""
PROGRAMS: tuple[Program, ...] = ("vipbus", "keepalived", "keepalived-rt")
IDENTIFIERS: dict[Program, int] = {"vipbus": 51, "keepalived": 52, "keepalived-rt": 53}
"""Virtual router identifiers."""
_REALTIME = """\
global_defs {
  vrrp_rt_priority 1
  vrrp_no_swap
}
"""

ACTIVE, BACKUP = 150, 100
"""Priorities."""
_CALM = 0.5
"""Seconds that everything must have been as it should before anything is measured."""
_START = 10.0
"""Seconds that a start may take, beyond the protocol's."""


@dataclass(frozen=True)
class Takeover:
    """How one went, in seconds."""

    outage: float
    """Without an answer."""
    detection: float
    """From the last advertisement of the one router to the first of the other."""
    work: float
    """From there to the first answer after the outage."""


class Pair:
    """An active router and its backup on a network; the other program's pair stands beside it."""

    def __init__(self, program: Program, network: Network, listener: Listener, interval: float) -> None:
        self.program = program
        self.interval = interval
        self.address = f"10.88.0.{100 + IDENTIFIERS[program]}"
        self._listener = listener
        self.active = network.router(f"a{IDENTIFIERS[program]}")
        self.backup = network.router(f"b{IDENTIFIERS[program]}")
        self._cable = Cable(network.switch, self.active.port)
        self._answers: Answers | None = None

    def config(self, router: Router, priority: int) -> VrrpInstance:
        """Give a router's instance."""
        return instance(
            router.name,
            version=3,
            advert_int=self.interval,
            priority=priority,
            virtual_router_id=IDENTIFIERS[self.program],
            virtual_ipaddress=(VirtualAddress(address=self.address, prefix=24, dev="eth0"),),
        )

    def start(self) -> None:
        """Start both, and return when the active one is."""
        self._start(self.active, ACTIVE)
        self._start(self.backup, BACKUP)
        self.settled()

    def ask(self, asking: Asking, client: Router) -> None:
        """Let a client ask for its address, once it is started."""
        self._answers = asking.target(client.namespace.name, self.address)

    @property
    def answers(self) -> Answers:
        """What the client saw."""
        assert self._answers is not None, "nobody asks"
        return self._answers

    def _start(self, router: Router, priority: int) -> None:
        config = self.config(router, priority)
        if self.program == "vipbus":
            router.save(config)
            router.start()
        else:
            realtime = _REALTIME if self.program == "keepalived-rt" else ""
            router.start_keepalived_on(realtime + keepalived_conf(config))

    def _last(self, router: Router) -> Heard | None:
        return self._listener.last(IDENTIFIERS[self.program], router.address)

    def _last_at(self, router: Router) -> int:
        heard = self._last(router)
        return heard.at if heard else 0

    # ---- before

    def settled(self) -> None:
        """Wait until the active router has been so, alone, for a while."""
        calm = int(max(_CALM, 2.5 * self.interval) * 1e9)
        since = 0

        def calm_for_a_while() -> bool:
            nonlocal since
            now = time.time_ns()
            heard = self._last(self.active)
            alone = (
                heard is not None
                and heard.priority == ACTIVE
                and now - heard.at < 2e9 * self.interval + 1e8
                and self._last_at(self.backup) < heard.at
                and (self._answers is None or now - self._answers.last < 1e8)
            )
            since = (since or now) if alone else 0
            return alone and now - since >= calm

        what = f"{self.program}: the router of higher priority is active, and answers"
        eventually(calm_for_a_while, what, within=_START + 8 * self.interval)

    def undisturbed(self) -> float:
        """Give the longest silence (seconds) of the last moments, in which nothing was done."""
        return self.answers.silence(time.time_ns() - int(_CALM * 0.9e9)).seconds(self.answers.every)

    # ---- the fault

    def crash(self, phase: float) -> int:
        """Cut the active router off and kill what it runs, some way into its advertisement interval.

        Args:
            phase: 0 right after an advertisement, 1 right before the next.

        Returns:
            When, in nanoseconds since 1970.
        """
        pids = self.active.namespace.pids()
        due = self._last_at(self.active) / 1e9 + phase * self.interval
        while due < time.time() + 0.002:
            due += self.interval
        time.sleep(due - time.time())
        began = time.time_ns()
        self._cable.pull()
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
        self.active.exit_status()
        return began

    def stop(self) -> int:
        """Ask the active router to stop; return when, in nanoseconds since 1970."""
        began = time.time_ns()
        self.active.terminate()
        return began

    def hand_over(self) -> int:
        """Run `vipbus handover` on the active router; return when it began, in nanoseconds since 1970.

        Raises:
            AssertionError: it was refused, or nobody followed.
        """
        began = time.time_ns()
        self.active.namespace.run(
            sys.executable, "-m", "ctl", "handover", "VI_1", "--bus", self.active.bus_url
        )
        return began

    # ---- after

    def taken_over(self, since: int) -> Takeover:
        """Wait for the backup, and until its client has been answered for a while."""
        calm = int(max(0.2, 2 * self.interval) * 1e9)
        answers = self.answers

        def answered() -> bool:
            first = self._first_of_backup(since)
            return first is not None and answers.last > first.at + calm

        eventually(answered, f"{self.program}: the backup answers for the address", within=self._patience)
        first = self._first_of_backup(since)
        assert first is not None
        silence = answers.silence(since)
        return Takeover(
            outage=silence.seconds(answers.every),
            detection=(first.at - self._last_at(self.active)) / 1e9,
            work=(silence.ended - first.at) / 1e9,
        )

    def advertised(self, since: int) -> None:
        """Wait until the backup advertises, after a moment (nanoseconds since 1970)."""
        what = f"{self.program}: the backup advertises"
        eventually(lambda: self._first_of_backup(since), what, within=self._patience)

    def _first_of_backup(self, since: int) -> Heard | None:
        # a backup that was active for a moment because the machine stood still is no successor yet
        gone = max(since, self._last_at(self.active))
        mine = (each for each in self._listener.heard_since(gone) if each.source == self.backup.address)
        return next((each for each in mine if each.at > gone), None)

    @property
    def _patience(self) -> float:
        return _START + 5 * self.interval

    def recover(self) -> None:
        """Bring the former active router back, as a machine that was started again."""
        self.active.exit_status(10)
        # a machine that crashed comes back without the address
        self.active.namespace.ip("addr", "flush", "dev", "eth0", "to", self.address)
        self._cable.plug()
        self._start(self.active, ACTIVE)
        self.settled()

    def said(self) -> str:
        """Give what both routers logged last, for whoever asks why something did not happen."""
        tails = [
            f"{router.name} at {router.address}:\n{router.output()[-1500:]}\n"
            f"{router.namespace.ip('-4', '-o', 'addr', 'show', 'dev', 'eth0')}"
            for router in (self.active, self.backup)
        ]
        heard = self._listener.heard[-12:]
        return "\n".join((*tails, *(str(each) for each in heard)))

    def close(self) -> None:
        """Let go of its cable."""
        self._cable.close()
