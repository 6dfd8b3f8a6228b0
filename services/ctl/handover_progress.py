"""Who has followed since a handover began: from what the bus says of the roles, with the time passed in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ctl.answers import Successor
from ctl.handover_plan import Plan, is_named, same
from vipbus.contracts import Role

_ELSEWHERE = 1.0
"""Seconds after which a successor that the old router has heard, and the bus has not, is on another bus."""


class Progress:
    """A handover that was accepted."""

    def __init__(self, plan: Plan, before: Iterable[Role], began: float) -> None:
        self.missing = {role.instance: role for role in plan.going}
        """The roles that have no successor yet, by instance."""
        self.wrong = ""
        """Who followed although another was to."""
        self.successors: list[Successor] = []
        self._to = plan.to
        self._began = began
        self._before = {(role.router, role.epoch) for role in before if role.role == "active"}
        """What was active then; a router that died as such says so for ever."""
        self._heard: dict[str, float] = {}

    @property
    def heard(self) -> bool:
        """True while somebody was heard to follow who may not be on this bus."""
        return bool(self._heard)

    def look(self, roles: Sequence[Role], now: float) -> list[str]:
        """Look at the roles as they are now; say what is new."""
        said = []
        for instance, gone in list(self.missing.items()):
            next_one = self._successor(gone, roles)
            elsewhere = _followed_by(gone, roles)
            if next_one is not None:
                took = now - self._began
                said.append(
                    f"{next_one.router} is active for {instance} after {took:.2f} s: {next_one.cause}"
                )
                self._followed(instance, next_one.router, took)
            elif elsewhere and now - self._heard.setdefault(instance, now) >= _ELSEWHERE:
                said.append(f"{elsewhere} is active for {instance}; it is not on this bus")
                self._followed(instance, elsewhere, now - self._began)
        return said

    def _followed(self, instance: str, router: str, took: float) -> None:
        self.successors.append(Successor(instance=instance, router=router, seconds=round(took, 3)))
        del self.missing[instance]
        self._heard.pop(instance, None)
        if self._to not in (None, router):
            self.wrong = router

    def _successor(self, gone: Role, roles: Iterable[Role]) -> Role | None:
        for role in roles:
            if (
                role.role == "active"
                and role.router != gone.router
                and (role.router, role.epoch) not in self._before
                and is_named(role.instance, gone.instance)
                and same(role, gone)
            ):
                return role
        return None


def _followed_by(gone: Role, roles: Iterable[Role]) -> str | None:
    """Give the address of whoever the router that left has heard since, as its backup."""
    for role in roles:
        if (role.router, role.instance) == (gone.router, gone.instance) and role.epoch > gone.epoch:
            return role.active_router if role.role == "backup" else None
    return None
