"""Tracked scripts: run at once and then every interval, never twice at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from vipbus.contracts import VrrpScript
from vipbus.runtime.alarms import Alarms
from vipbus.runtime.runner.client import DIED, Runner
from vipbus.runtime.runner.messages import Ended
from vrrp_agent import metrics
from vrrp_agent.tracking import scripts
from vrrp_agent.tracking.scripts import Damped
from vrrp_agent.tracking.sources import SourceSeen

log = logging.getLogger(__name__)

_LATE = 0.1
"""Seconds after its time from which a start counts as late."""
_SHORTEST = 0.01
"""Seconds between two starts, whatever is configured."""


class _Script:
    """One script that runs again and again."""

    def __init__(self, config: VrrpScript, state: Damped, due: float) -> None:
        self.config = config
        self.state = state
        self.due = due
        self.number: int | None = None
        """Of its present run."""
        self.judged = False
        """True: the present run was overdue and has counted already."""
        self.told: SourceSeen | None = None


class ScriptWatch:
    """Runs scripts and says what they say; for one thread."""

    def __init__(
        self,
        alarms: Alarms,
        runner: Runner,
        *,
        seen: Callable[[SourceSeen], None],
        problem: Callable[[str, str], None],
    ) -> None:
        self._alarms = alarms
        self._runner = runner
        self._seen = seen
        self._problem = problem
        self._scripts: dict[str, _Script] = {}

    def configure(self, tracked: Iterable[VrrpScript]) -> None:
        """Run exactly these; those that stay as they are go on."""
        new = {script.name: script for script in tracked}
        before, self._scripts = self._scripts, {}
        for name, config in new.items():
            old = before.pop(name, None)
            if old is not None and old.config == config:
                self._scripts[name] = old
                continue
            if old is not None:
                self._stop(old)
            self._begin(config, old)
        for old in before.values():
            self._stop(old)
            self._problem(f"vrrp_script {old.config.name}", "")

    def close(self) -> None:
        """Run nothing any more."""
        self.configure(())

    def _begin(self, config: VrrpScript, old: _Script | None) -> None:
        state = scripts.begin(init_fail=config.init_fail, before=old.state if old is not None else None)
        script = _Script(config, state, time.monotonic())
        self._scripts[config.name] = script
        if old is not None:
            script.told = old.told
        elif state.up is not None:
            self._tell(script, "it has not run yet (init_fail)")
        self._alarms.set(f"script {config.name}", script.due, lambda: self._start(script))

    def _stop(self, script: _Script) -> None:
        self._alarms.clear(f"script {script.config.name}")
        if script.number is not None:
            self._runner.end(script.number)
            script.number = None

    def _start(self, script: _Script) -> None:
        config, now = script.config, time.monotonic()
        if now - script.due > _LATE:
            metrics.SCRIPTS_LATE.add(script=config.name)
        # from its time, not from now: a late start must not make the next one late
        interval = max(config.interval, _SHORTEST)
        script.due = script.due + interval if script.due + interval > now else now + interval
        self._alarms.set(f"script {config.name}", script.due, lambda: self._start(script))
        if script.number is not None:
            metrics.SCRIPTS_OVERLAPPED.add(script=config.name)
            return
        script.judged = False
        script.number = number = self._runner.run(
            config.command,
            timeout=config.timeout or interval,
            overdue=lambda: self._overdue(script, number),
            ended=lambda ended: self._ended(script, ended),
        )

    # ---- results

    def _overdue(self, script: _Script, number: int) -> None:
        """Count it as failed now: how long it takes to die says nothing."""
        if script.number == number:
            script.judged = True
            timeout = script.config.timeout or script.config.interval
            self._result(script, "timeout", f"not done in {timeout:g} s")

    def _ended(self, script: _Script, ended: Ended) -> None:
        if script.number != ended.id:
            return  # stopped meanwhile
        script.number = None
        if ended.cause == DIED:
            # nothing is known of the script: its word stays, and it is asked again at once
            metrics.SCRIPT_RUNS.add(script=script.config.name, result="lost")
            script.due = time.monotonic()
            self._alarms.set(f"script {script.config.name}", script.due, lambda: self._start(script))
        elif not ended.ran:
            self._not_run(script, ended.cause)
        elif not script.judged:
            self._problem(f"vrrp_script {script.config.name}", "")
            self._result(script, "success" if ended.status == 0 else "failure", ended.cause)

    def _not_run(self, script: _Script, cause: str) -> None:
        """A script that never ran says nothing, and keepalived disables it too; one that did has failed."""
        name = script.config.name
        self._problem(f"vrrp_script {name}", f"vrrp_script {name}: {cause}")
        if script.state.decided or script.state.up is not None:
            self._result(script, "not run", cause)
        else:
            metrics.SCRIPT_RUNS.add(script=name, result="not run")
            self._tell(script, cause)

    def _result(self, script: _Script, result: str, cause: str) -> None:
        config = script.config
        metrics.SCRIPT_RUNS.add(script=config.name, result=result)
        script.state = scripts.damp(
            script.state, success=result == "success", rise=config.rise, fall=config.fall
        )
        self._tell(script, cause)

    def _tell(self, script: _Script, cause: str) -> None:
        """Tell when it turned, or spoke for the first time."""
        word = SourceSeen(kind="script", name=script.config.name, up=script.state.up, cause=cause)
        if script.told is None or script.told.up != word.up:
            log.info(
                "vrrp_script %s is %s: %s",
                word.name,
                {True: "up", False: "down", None: "unknown"}[word.up],
                cause,
            )
            script.told = word
            self._seen(word)
