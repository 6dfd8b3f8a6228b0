"""The bus side of vrrp-agent as it is, with a stand-in for its election loop.

Routers of one `Segment` hear each other: when one hands over, another is active, as on a real segment. What
the real loop does with the same commands is shown in namespaces (test_vrrp_agent_bus).
"""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType

import msgspec

from vipbus.contracts import RoleName, TrackState, VirtualAddress, VrrpInstance, name_token
from vipbus.runtime.readiness import Readiness
from vipbus.runtime.settings import Settings
from vrrp_agent.bridge import Bridge
from vrrp_agent.exchange import (
    Answer,
    Command,
    HandOver,
    InstanceState,
    Mailbox,
    RoleReport,
    Show,
    Shown,
    Take,
)

PRIORITY = {"router-a": 150, "router-b": 120, "router-c": 100}


class Segment:
    """The routers that hear each other."""

    def __init__(self, directory: Path, bus: str) -> None:
        self.directory = directory
        self.bus = bus
        self.routers: list[Router] = []

    def router(self, name: str, *roles: RoleName, group: str | None = None) -> Router:
        """Add a router whose instances VI_1, VI_2, ... have these roles."""
        made = Router(self, name, roles, group)
        self.routers.append(made)
        made.bridge.start()
        for instance in list(made.states):
            made.become(instance, made.states[instance].role, "started")
        return made

    def __enter__(self) -> Segment:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None
    ) -> None:
        for router in self.routers:
            router.stop()


class Router:
    """One router: a real bridge, and a loop that answers at once."""

    def __init__(self, segment: Segment, name: str, roles: tuple[RoleName, ...], group: str | None) -> None:
        self.name = name
        self.asked: list[Command] = []
        """What its loop was asked, in order."""
        self.refuses = ""
        """What its loop answers; empty: that it has begun."""
        self.deaf = False
        """True: its loop answers nothing."""
        self.alone = False
        """True: nobody hears it leave."""
        self.states = {
            config.name: InstanceState(
                config=config,
                role=role,
                epoch=1,
                effective_priority=config.priority,
                source=f"192.0.2.{ord(name[-1]) - 96}",
                active_router=None,
                cause="",
                since=time.time(),
                sync_group=group,
                tracks=(TrackState(kind="interface", name="eth1", up=True, weight=0, cause=""),),
            )
            for config, role in zip(_instances(name, len(roles)), roles, strict=True)
        }
        self.follows: set[str] = set()
        self._segment = segment
        self._inbox: Mailbox[Command] = Mailbox(self._commands)
        directory = segment.directory / name
        directory.mkdir()
        self.bridge = Bridge(
            settings=Settings(router=name, state_dir=directory, bus=segment.bus, log="line", listen=None),
            router=name,
            readiness=Readiness("vrrp-agent", name),
            inbox=self._inbox,
        )

    def stop(self) -> None:
        """Leave the bus; its roles stay there as they were."""
        self.bridge.finish()

    def become(self, instance: str, role: RoleName, cause: str, *, active_router: str | None = None) -> None:
        """Change a role and tell the bus."""
        before = self.states[instance]
        state = msgspec.structs.replace(
            before,
            role=role,
            epoch=before.epoch + (role != before.role),
            cause=cause,
            active_router=active_router,
            since=time.time(),
        )
        self.states[instance] = state
        self.bridge.outbox.put(
            RoleReport(
                config=state.config,
                revision=1,
                role=role,
                epoch=state.epoch,
                cause=cause,
                active_router=active_router,
                since=state.since,
                changed=True,
                started_ns=time.time_ns(),
                effective_priority=state.effective_priority,
                sync_group=state.sync_group,
            )
        )

    def _commands(self) -> None:
        for command in self._inbox.take():
            self.asked.append(command)
            if self.deaf:
                continue
            match command:
                case Show():
                    self.bridge.outbox.put(Shown(ticket=command.ticket, states=tuple(self.states.values())))
                case Take():
                    self.bridge.outbox.put(Answer(ticket=command.ticket, problem=self.refuses))
                    if not self.refuses:
                        self.follows.add(command.instance)
                case HandOver():
                    self.bridge.outbox.put(Answer(ticket=command.ticket, problem=self.refuses))
                    if not self.refuses and not self.alone:
                        self._leave(command.instance)

    def _leave(self, token: str) -> None:
        group = next(state.sync_group for name, state in self.states.items() if name_token(name) == token)
        for name, state in list(self.states.items()):
            if state.role == "active" and (
                name_token(name) == token or (group and state.sync_group == group)
            ):
                others = [each for each in self._segment.routers if each is not self and name in each.states]
                following = [each for each in others if name_token(name) in each.follows] or others
                following[0].become(name, "active", f"{state.source} left")
                successor = following[0].states[name].source
                self.become(name, "backup", f"handed over to {successor}", active_router=successor)


def _instances(router: str, number: int) -> list[VrrpInstance]:
    return [
        VrrpInstance(
            router=router,
            name=f"VI_{each}",
            interface="eth0",
            virtual_router_id=50 + each,
            priority=PRIORITY[router],
            virtual_ipaddress=(VirtualAddress(address=f"10.9.{each}.1", prefix=24, dev="eth0"),),
        )
        for each in range(1, number + 1)
    ]
