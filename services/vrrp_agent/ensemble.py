"""Every instance of a router, and what one's change means for the others of its sync group."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from vipbus.contracts import Notify, SyncGroup, name_token
from vrrp_agent.events import Happening, Reconfigured
from vrrp_agent.groups import consequences, faults_of
from vrrp_agent.model import Instance, Phase
from vrrp_agent.notify.told import Told, ToldState
from vrrp_agent.runtime import Runtime
from vrrp_agent.teller import NOTIFIED

After = Callable[[Runtime], None]
"""What is to be seen to when an instance has decided."""


class Ensemble:
    """Instances by token; `tell` is how anything happens to one."""

    def __init__(self, after: After, tell: Callable[[Told], None]) -> None:
        self._after = after
        self._tell = tell
        self._notify: dict[str, Notify] = {}
        self._notified: dict[str, ToldState] = {}
        self._runtimes: dict[str, Runtime] = {}
        self._members: dict[str, tuple[str, ...]] = {}
        """Tokens of instances, by the name of the group."""
        self._group: dict[str, str] = {}
        """The group of an instance, by its token."""

    def __len__(self) -> int:
        return len(self._runtimes)

    def __iter__(self) -> Iterator[Runtime]:
        return iter(list(self._runtimes.values()))

    def get(self, token: str) -> Runtime | None:
        """Find an instance."""
        return self._runtimes.get(token)

    def put(self, runtime: Runtime) -> None:
        """Add an instance."""
        self._runtimes[runtime.token] = runtime

    def remove(self, runtime: Runtime) -> None:
        """Forget an instance that is over, unless another has its place."""
        if self._runtimes.get(runtime.token) is runtime:
            del self._runtimes[runtime.token]

    # ---- groups

    def form(self, groups: Sequence[SyncGroup]) -> None:
        """Have these groups from now on; whose members are running is found out as it matters."""
        self._members = {
            group.name: tuple(name_token(member) for member in group.members) for group in groups
        }
        self._group = {token: name for name, tokens in self._members.items() for token in tokens}
        self._notify = {group.name: group.notify for group in groups}
        self._notified = {name: word for name, word in self._notified.items() if name in self._members}

    def group_of(self, token: str) -> str | None:
        """Name the group of an instance."""
        return self._group.get(token)

    def members(self, group: str | None) -> list[Runtime]:
        """Give the instances of a group that run and are not on their way out."""
        if group is None:
            return []
        found = (self._runtimes.get(token) for token in self._members.get(group, ()))
        return [runtime for runtime in found if runtime is not None and not runtime.forgotten]

    def settle(self) -> None:
        """After the groups or their members have become others: tell each what is new to it."""
        for runtime in self:
            group = self.group_of(runtime.token)
            if runtime.state.group != group and not runtime.forgotten:
                self.tell(runtime, Reconfigured(runtime.config, group))
        for group in self._members:
            for name, happening in faults_of([each.state for each in self.members(group)]):
                self.tell(self._runtimes[name_token(name)], happening)

    # ---- what happens

    def tell(self, runtime: Runtime, event: Happening) -> None:
        """Let an instance decide, and then those that it takes along."""
        waiting: deque[tuple[Runtime, Happening]] = deque([(runtime, event)])
        while waiting:
            one, happening = waiting.popleft()
            before = one.state
            one.handle(happening, time.monotonic())
            members = self.members(one.state.group)
            if one in members:
                others = [each.state for each in members if each is not one]
                # depth first: what one is told leads to all that it leads to before the next is told
                waiting.extendleft(
                    (self._runtimes[name_token(name)], following)
                    for name, following in reversed(consequences(before, one.state, others))
                )
                self._group_moved(one.state.group, [one.state, *others], one.state.cause)
            self._after(one)

    def _group_moved(self, group: str | None, states: list[Instance], cause: str) -> None:
        """Tell whoever is notified of groups what this one is as a whole, when that is news."""
        word = _word(states)
        if group is None or word is None or self._notified.get(group) == word:
            return
        self._notified[group] = word
        self._tell(Told(kind="GROUP", name=group, state=word, notify=self._notify[group], cause=cause))


def _word(states: list[Instance]) -> ToldState | None:
    """Say what a group is: None while it is on its way."""
    words = {NOTIFIED.get(state.phase) for state in states if state.phase is not Phase.STOPPED}
    if "FAULT" in words:
        return "FAULT"
    if words <= {"MASTER"}:
        return "MASTER" if words else "STOP"
    return "BACKUP" if words == {"BACKUP"} else None
