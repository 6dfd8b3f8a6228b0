"""What instances depend on, compared with what is there, whenever an interface, source or device changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial

from vipbus.contracts import Track, TrackChanged, TrackState, VrrpConfiguration
from vipbus.runtime.poller import Poller
from vipbus.runtime.readiness import Readiness
from vrrp_agent.circumstances import Circumstances
from vrrp_agent.ensemble import Ensemble
from vrrp_agent.events import ObjectsLost, Started
from vrrp_agent.exchange import EventReport, Mailbox, Report
from vrrp_agent.filters import closed
from vrrp_agent.firewall import Firewall
from vrrp_agent.interfaces import Monitor
from vrrp_agent.link_states import LinkStates
from vrrp_agent.model import Movable, Phase
from vrrp_agent.objects import Objects
from vrrp_agent.routes import protocol_of
from vrrp_agent.runtime import Runtime
from vrrp_agent.static import Static
from vrrp_agent.tracking.sources import Sources, SourceSeen
from vrrp_agent.virtual_mac import VirtualMacs
from vrrp_agent.worker import Worker


class Lookout:
    """Interfaces, tracked sources, devices and rules of every instance; part of the agent's thread."""

    def __init__(
        self,
        *,
        router: str,
        instances: Ensemble,
        objects: Objects,
        monitor: Monitor,
        worker: Worker,
        poller: Poller,
        readiness: Readiness,
        outbox: Mailbox[Report],
        quiet_until: Callable[[], float],
    ) -> None:
        self._router = router
        self._instances = instances
        self._objects = objects
        self._monitor = monitor
        self._interfaces = monitor.interfaces
        self._worker = worker
        self._readiness = readiness
        self._outbox = outbox
        self._quiet_until = quiet_until
        """Seconds of the monotonic clock until which no instance begins (vrrp_startup_delay)."""
        self._static = Static(self._interfaces, objects)
        self._macs = VirtualMacs(self._interfaces, worker)
        self._firewall = Firewall(worker, poller)
        self._links = LinkStates(self._interfaces)
        self._sources = Sources()
        self.circumstances = Circumstances(
            self._interfaces, self._macs, self._static, self._links, self._sources
        )
        self._tracked_links: list[str] = []
        self.due: float | None = None
        """Seconds of the monotonic clock at which to look again though nothing was heard; None: never."""
        poller.add(monitor.fileno(), self._interfaces_changed)

    def configure(self, configuration: VrrpConfiguration) -> None:
        """Look after what these instances depend on, from the next look on."""
        settings = configuration.settings
        tracks = [track for each in configuration.instances for track in each.tracks]
        self._sources.keep_only(tracks)
        self._tracked_links = sorted({track.name for track in tracks if track.kind == "interface"})
        self._links.configure(settings.interface_delays)
        self._monitor.watch(_protocols(configuration))
        self._static.configure(settings)

    def stop(self) -> None:
        """Take away what belongs to no single instance."""
        self._static.stop()
        self._firewall.close()

    def forget(self, runtime: Runtime) -> None:
        """Give back the devices of an instance that is released."""
        self._macs.remove(runtime.config)

    def states(self, tracks: Iterable[Track]) -> tuple[TrackState, ...]:
        """Give what tracked sources say now."""
        return self._sources.tracked(tracks).states

    # ---- looking

    def look(self) -> None:
        """Compare every instance with what it depends on, and everything held with what is there."""
        self._static.look()
        now = time.monotonic()
        for name in self._tracked_links:
            seen = self._links.source(name, now)
            if self._sources.see(seen):
                self._changed(seen)
        # before a device is made, in the same thread: one frame from a backup's virtual MAC misleads a bridge
        configs = [runtime.config for runtime in self._instances]
        self._firewall.want(closed(configs), self._macs.below(configs))
        for runtime in self._instances:
            self._look_at(runtime)
        self._readiness.problem("firewall", self._firewall.problem)
        retry = self.circumstances.retry_at
        self.circumstances.retry_at = None
        self._again(retry)
        self._again(self._links.turns_at)

    def expire(self, now: float) -> None:
        """Look again if it is time to."""
        if self.due is not None and self.due <= now:
            self.due = None
            self.look()

    def source_seen(self, seen: SourceSeen) -> None:
        """Take what a tracked source says to the instances that track it."""
        if self._sources.see(seen):
            self._changed(seen)
        for runtime in self._instances:
            if any((track.kind, track.name) == (seen.kind, seen.name) for track in runtime.config.tracks):
                self._look_at(runtime)

    def prepare(self) -> None:
        """Have the messages written that a takeover will need; in a thread."""
        if self._objects.ready:
            for runtime in self._instances:
                self._worker.submit(partial(self._objects.prepare, runtime.placed))

    def _interfaces_changed(self) -> None:
        self._monitor.drain()
        self.look()

    def _look_at(self, runtime: Runtime) -> None:
        if not runtime.started:
            self._begin(runtime)
            return
        surroundings, state = self.circumstances.of(runtime), runtime.state
        if (surroundings.source, surroundings.faults, surroundings.weight) != (
            state.source,
            state.faults,
            state.weight,
        ):
            self._instances.tell(runtime, surroundings)
        self._look_after_objects(runtime)

    def _again(self, at: float | None) -> None:
        """Look again at a time, unless that comes sooner anyway."""
        if at is not None and (self.due is None or at < self.due):
            self.due = at

    def _look_after_objects(self, runtime: Runtime) -> None:
        if runtime.state.phase is not Phase.ACTIVE or not self._objects.ready:
            return
        lost: list[Movable] = []
        for each in runtime.state.objects:
            if self._interfaces.holds(runtime.place(each)):
                runtime.held.add(each)
            elif each in runtime.held:
                runtime.held.discard(each)
                if each.tracked:
                    lost.append(each)
            elif self._objects.possible(runtime.place(each)):
                runtime.add_late(each)
        if lost:
            self._instances.tell(runtime, ObjectsLost(tuple(lost)))

    def _begin(self, runtime: Runtime) -> None:
        """Let an instance take part: at once where it goes on, else when objects can be written."""
        now, quiet_until = time.monotonic(), self._quiet_until()
        adopted = now < runtime.adoptable_until
        waits = self._sources.tracked(runtime.config.tracks).waiting
        surroundings = self.circumstances.of(runtime)  # listen from now on, whenever it begins
        making = self._macs.making(runtime.config)
        if not adopted and (waits or making or not self._objects.ready or now < quiet_until):
            self._again(quiet_until if now < quiet_until else None)
            return
        runtime.started = True
        self._instances.tell(
            runtime,
            Started(
                source=surroundings.source,
                faults=surroundings.faults,
                weight=surroundings.weight,
                adopted=adopted and not surroundings.faults,
            ),
        )

    def _changed(self, seen: SourceSeen) -> None:
        """Publish what a source says now; what is not known is no news."""
        if seen.up is not None:
            changed = TrackChanged(
                router=self._router,
                kind=seen.kind,
                name=seen.name,
                up=seen.up,
                value=seen.value,
                cause=seen.cause,
            )
            self._outbox.put(EventReport(changed))


def _protocols(configuration: VrrpConfiguration) -> frozenset[int]:
    """Say whose routes are looked after (rtnetlink(7), rtm_protocol)."""
    moving = (each for config in configuration.instances for each in config.virtual_routes)
    return frozenset(protocol_of(each) for each in (*moving, *configuration.settings.static_routes))
