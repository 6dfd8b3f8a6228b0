"""Everything on this host that instances track, watched by one thread's poller."""

from __future__ import annotations

from collections.abc import Callable

from vipbus.contracts import TrackFile, TrackProcess, VrrpConfiguration, VrrpScript
from vipbus.runtime.alarms import Alarms
from vipbus.runtime.poller import Poller
from vipbus.runtime.runner.client import Runner
from vrrp_agent.tracking.file_watch import FileWatch
from vrrp_agent.tracking.process_watch import ProcessWatch
from vrrp_agent.tracking.script_watch import ScriptWatch
from vrrp_agent.tracking.sources import SourceSeen


class Watch:
    """Scripts, files and processes; only those that some instance tracks."""

    def __init__(
        self,
        poller: Poller,
        alarms: Alarms,
        runner: Runner,
        *,
        seen: Callable[[SourceSeen], None],
        problem: Callable[[str, str], None],
    ) -> None:
        self._scripts = ScriptWatch(alarms, runner, seen=seen, problem=problem)
        self._files = FileWatch(poller, alarms, seen=seen, problem=problem)
        self._processes = ProcessWatch(poller, alarms, seen=seen)

    def configure(self, configuration: VrrpConfiguration) -> None:
        """Watch exactly what this tracks; what stays as it is goes on."""
        scripts, files, processes = tracked(configuration)
        self._scripts.configure(scripts)
        self._files.configure(files)
        self._processes.configure(processes)

    def close(self) -> None:
        """Watch nothing any more."""
        self._scripts.close()
        self._files.close()
        self._processes.close()


def tracked(
    configuration: VrrpConfiguration,
) -> tuple[list[VrrpScript], list[TrackFile], list[TrackProcess]]:
    """Give the scripts, files and processes that some instance tracks."""
    wanted = {(track.kind, track.name) for each in configuration.instances for track in each.tracks}
    return (
        [script for script in configuration.scripts if ("script", script.name) in wanted],
        [file for file in configuration.files if ("file", file.name) in wanted],
        [process for process in configuration.processes if ("process", process.name) in wanted],
    )
