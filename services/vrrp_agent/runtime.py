"""One instance as it runs: carries out, in order, what its state machine decides."""

from __future__ import annotations

import logging
import time

import msgspec

from vipbus.contracts import TrackState, VirtualAddress, VrrpInstance, name_token
from vrrp_agent import metrics
from vrrp_agent.actions import (
    Action,
    AddObjects,
    Announce,
    Release,
    RemoveObjects,
    SendAdvertisement,
    SendGratuitousArp,
    WatchForSuccessor,
)
from vrrp_agent.announcer import Announcer
from vrrp_agent.events import Happening
from vrrp_agent.exchange import InstanceState
from vrrp_agent.heartbeat import Slot, virtual_router
from vrrp_agent.instance import decide
from vrrp_agent.model import Instance, Movable, Phase, objects_of
from vrrp_agent.objects import Objects
from vrrp_agent.placement import placed
from vrrp_agent.speaker import Speaker
from vrrp_agent.teller import Teller
from vrrp_agent.wire import Wire

log = logging.getLogger(__name__)


class Hands(msgspec.Struct, frozen=True):
    """What every instance works with."""

    objects: Objects
    announcer: Announcer


class Runtime:
    """An instance's state and the hands it works with."""

    def __init__(
        self, config: VrrpInstance, *, group: str | None, slot: Slot, wire: Wire, hands: Hands, teller: Teller
    ) -> None:
        self.token = name_token(config.name)
        self.wire = wire
        self.speaker: Speaker | None = None
        """None: nothing can be sent now."""
        self.slot = slot
        self.teller = teller
        self.forgotten = False
        """True once it is removed from the configuration: its role is deleted at the end."""
        self.started = False
        self.held: set[Movable] = set()
        """What was seen where it belongs since it was added."""
        self.released = False
        self.add_problem = ""
        """Why something could not be added, in words."""
        self.problem = ""
        """Why it cannot run as it is configured: a secret that is not there."""
        self._hands = hands
        self._mute = False
        beat = slot.read()
        slot.bind(virtual_router(config))
        self.adoptable_until = 0.0
        """CLOCK_MONOTONIC seconds until which the last life may be carried on; 0: it may not."""
        if beat.role == "active" and beat.advertised and beat.virtual_router == virtual_router(config):
            self.adoptable_until = beat.advertised + config.down_timer_adverts * config.advert_int
        teller.begin(beat.epoch, beat.since)
        self.state = Instance(config=config, epoch=beat.epoch, group=group)
        self._places = _places(config)

    @property
    def config(self) -> VrrpInstance:
        """The configuration that it runs."""
        return self.state.config

    @property
    def watching(self) -> bool:
        """True while a successor's gratuitous ARP is waited for."""
        return self.state.phase is Phase.LEAVING

    @property
    def placed(self) -> tuple[Movable, ...]:
        """Everything that moves with the role, where it really goes."""
        return self._placed(self.state.objects)

    def device(self, address: VirtualAddress) -> str:
        """Name the device that an address really goes to."""
        placed = self.place(address)
        return placed.dev if isinstance(placed, VirtualAddress) else address.dev

    def place(self, each: Movable) -> Movable:
        """Say where something of the configuration really goes: onto a virtual MAC's device, where one is."""
        return self._places.get(each, each)

    def handle(self, event: Happening, now: float) -> None:
        """Decide about an event and do what comes of it."""
        before = self.state
        self.teller.hears(time.time_ns())
        self.state, actions = decide(before, event, now)
        if self.state.config is not before.config:
            # what is removed because it is configured no more had its place by the configuration before
            self._places = _places(before.config) | _places(self.state.config)
        self._remember(before)
        for action in actions:
            self._do(action)
        self.teller.moved(before, self.state, now, self.add_problem)

    def _remember(self, before: Instance) -> None:
        """First of all: whoever dies from here on comes back as what it is now."""
        if self.state.phase is Phase.LEAVING:
            self.slot.silence()
        if self.state.epoch != before.epoch:
            self.slot.role(self.state.role, self.state.epoch, self.teller.since_now())

    def _do(self, action: Action) -> None:
        match action:
            case SendAdvertisement(priority):
                self._send(priority)
            case AddObjects(objects):
                self.add_problem = self.teller.timed(lambda: self._hands.objects.add(self._placed(objects)))
            case RemoveObjects(objects):
                self.held.difference_update(objects)
                gone = self._placed(objects)
                self._hands.announcer.forget(each for each in gone if isinstance(each, VirtualAddress))
                self._hands.objects.remove(gone)
            case SendGratuitousArp(addresses, repeat, refresh):
                self._announce_addresses(addresses, repeat, refresh=refresh)
            case WatchForSuccessor():
                pass  # whoever leaves is watched for: see `watching`
            case Announce():
                self.teller.announce(self.state)
            case Release():
                self.released = True
            case _:
                self.teller.report(self.state, action)

    def _placed(self, objects: tuple[Movable, ...]) -> tuple[Movable, ...]:
        return tuple(self.place(each) for each in objects)

    def _announce_addresses(
        self, addresses: tuple[VirtualAddress, ...], repeat: int, *, refresh: bool
    ) -> None:
        knobs = self.config.garp
        told = [each for each in self._placed(addresses) if isinstance(each, VirtualAddress)]
        extra = knobs.extra_interfaces if refresh else ()
        problem = self._hands.announcer.announce(told, repeat, garp=knobs, extra=extra)
        if problem:
            log.warning("%s: %s", self.config.name, problem)

    def _send(self, priority: int) -> None:
        if self.speaker is None:
            return
        try:
            self.speaker.send(priority)
        except OSError as error:
            metrics.SEND_ERRORS.add(instance=self.token)
            if not self._mute:
                self._mute = True
                log.warning(
                    "%s cannot advertise on %s: %s", self.config.name, self.wire.interface, error.strerror
                )
            return
        self._mute = False
        if priority:
            self.slot.advertised(time.monotonic())
        metrics.ADVERTISEMENTS_SENT.add(instance=self.token)

    def add_late(self, each: Movable) -> None:
        """Add something whose device came later than the role."""
        problem = self._hands.objects.add((self.place(each),), silent=True)
        if problem and problem != self.add_problem:
            log.error("%s: %s", self.config.name, problem)
        self.add_problem = problem

    def problems(self) -> tuple[tuple[str, str], ...]:
        """Give each thing that may be wrong with it, under a name, in words; empty words: all right."""
        name, state = self.config.name, self.state
        fault = f"{name} is in fault: {state.cause}" if state.phase is Phase.FAULT else ""
        missing = self.add_problem if state.phase is Phase.ACTIVE else ""
        return (name, fault), (f"{name} addresses", f"{name}: {missing}" if missing else "")

    def shown(self, tracks: tuple[TrackState, ...]) -> InstanceState:
        """Copy what people ask for."""
        state = self.state
        return InstanceState(
            config=state.config,
            role=state.role,
            epoch=state.epoch,
            effective_priority=state.priority,
            source=state.source,
            active_router=state.active_router,
            cause=state.cause,
            since=self.teller.since,
            sync_group=state.group,
            faults=state.trouble,
            tracks=tracks,
        )


def _places(config: VrrpInstance) -> dict[Movable, Movable]:
    """Map what moves with an instance to where it goes; what stays where it is configured is left out."""
    if config.virtual_mac is None and not any(
        each.own_mac for each in (*config.virtual_ipaddress, *config.virtual_ipaddress_excluded)
    ):
        return {}
    return dict(zip(objects_of(config), placed(config), strict=True))
