"""Who hands an instance over to whom: decided from the roles on the bus alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from ctl.exits import EXIT_NOT_DONE, EXIT_WRONG
from ctl.words import listed
from vipbus.contracts import Role, name_token


class Problem(msgspec.Struct, frozen=True):
    """Why there is no handover, and the exit status."""

    text: str
    status: int


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A handover that makes sense, as far as the bus knows."""

    going: tuple[Role, ...]
    """The roles that go, the one that was asked for first: a sync group goes as a whole."""
    to: str | None = None
    """The router that is to follow, as it writes its name; None: whoever is next."""
    done: bool = False
    """True: that router has the role already."""
    notes: tuple[str, ...] = ()
    """What the operator should know."""

    @property
    def giver(self) -> str:
        """The router that hands over."""
        return self.going[0].router


def plan(
    roles: Sequence[Role], answering: frozenset[str], instance: str, to: str | None = None
) -> Plan | Problem:
    """Choose who hands over.

    ``answering`` names the routers whose vrrp-agent is there: the roles of others are only the last that was
    heard.
    """
    answering = frozenset(name_token(router) for router in answering)
    named = [role for role in roles if is_named(role.instance, instance)]
    if not named:
        there = listed(sorted({role.instance for role in roles}), 20)
        hint = f"there is {there}" if there else "no vrrp-agent has said anything there"
        return Problem(f"no instance {instance!r} on this bus; {hint}", EXIT_WRONG)
    found = _group(named, instance, to)
    if isinstance(found, Problem):
        return found
    group = [role for role in found if _answers(role, answering)]
    active = [role for role in group if role.role == "active"]
    if not active:
        return Problem(_nobody_active(found, answering), EXIT_NOT_DONE)
    if len(active) > 1:
        return Problem(
            f"{' and '.join(sorted(role.router for role in active))} are both active for {_what(active[0])}: "
            "they do not hear each other, so nothing is handed over; look at the network between them",
            EXIT_NOT_DONE,
        )
    giver = active[0]
    going = (giver, *_companions(giver, roles))
    if to is None:
        return _to_whoever(going, found, answering)
    return _to_one(going, found, answering, to)


def is_named(name: str, asked: str) -> bool:
    """Say whether an operator means this name: both are the same on the bus."""
    return bool(asked) and name_token(name) == name_token(asked)


def _answers(role: Role, answering: frozenset[str]) -> bool:
    """Say whether what is known of a role is more than the last that was heard."""
    return name_token(role.router) in answering


def _what(role: Role) -> str:
    return f"{role.instance} (VRID {role.virtual_router_id})"


def same(one: Role, other: Role) -> bool:
    """Say whether two routers mean the same virtual router: names are chosen by people."""
    shared = set(one.addresses) & set(other.addresses)
    return one.virtual_router_id == other.virtual_router_id and bool(
        shared or not one.addresses or not other.addresses
    )


def _group(named: Sequence[Role], instance: str, to: str | None) -> list[Role] | Problem:
    """Give the roles of one virtual router, where the bus knows several by that name."""
    groups: list[list[Role]] = []
    for role in sorted(named, key=lambda role: role.router):
        group = next((group for group in groups if same(group[0], role)), None)
        if group is None:
            groups.append([role])
        else:
            group.append(role)
    if to is not None:
        own = [group for group in groups if any(is_named(role.router, to) for role in group)]
        if not own:
            where = listed(sorted(role.router for role in named), 20)
            return Problem(f"{to} has no instance {instance}; it is on {where}", EXIT_WRONG)
        return own[0]
    if len(groups) > 1:
        each = "; ".join(
            f"{_what(group[0])} on {listed([role.router for role in group])}" for group in groups
        )
        return Problem(
            f"{instance} is not one virtual router on this bus: {each}; choose with --to", EXIT_WRONG
        )
    return groups[0]


def _nobody_active(group: Iterable[Role], answering: frozenset[str]) -> str:
    states = listed([_state(role, answering) for role in group], 20)
    heard = sorted({role.active_router for role in group if role.active_router and _answers(role, answering)})
    elsewhere = (
        f"; {listed(heard)} was heard on the wire: hand over on the bus of that router" if heard else ""
    )
    return f"no router of this bus is active: {states}{elsewhere}"


def _state(role: Role, answering: frozenset[str]) -> str:
    if not _answers(role, answering):
        return f"the vrrp-agent of {role.router} does not answer"
    why = f" ({'; '.join(role.faults) or role.cause})" if role.role == "fault" else ""
    return f"{role.router} is {role.role}{why}"


def _companions(giver: Role, roles: Iterable[Role]) -> list[Role]:
    """Give the other roles of the giver's sync group, which go too."""
    if giver.sync_group is None:
        return []
    return sorted(
        (
            role
            for role in roles
            if (role.router, role.sync_group, role.role) == (giver.router, giver.sync_group, "active")
            and role.instance != giver.instance
        ),
        key=lambda role: role.instance,
    )


def _group_note(going: Sequence[Role]) -> tuple[str, ...]:
    first, *others = going
    if first.sync_group is None or not others:
        return ()
    names = listed([role.instance for role in others], 10)
    return (f"{first.instance} is in sync group {first.sync_group}: {names} {_verb(others)} too",)


def _verb(roles: Sequence[Role]) -> str:
    return "goes" if len(roles) == 1 else "go"


def _to_whoever(going: tuple[Role, ...], group: Sequence[Role], answering: frozenset[str]) -> Plan | Problem:
    giver = going[0]
    others = [role for role in group if role.router != giver.router]
    there = [role for role in others if _answers(role, answering)]
    if there and not any(role.role == "backup" for role in there):
        states = listed([_state(role, answering) for role in others], 20)
        return Problem(f"nobody can follow {giver.router} for {_what(giver)}: {states}", EXIT_NOT_DONE)
    notes = _group_note(going)
    if not there:
        notes += (f"no other router of {giver.instance} answers on this bus: whoever hears it leave follows",)
    return Plan(going=going, notes=notes)


def _to_one(
    going: tuple[Role, ...], group: Sequence[Role], answering: frozenset[str], to: str
) -> Plan | Problem:
    giver = going[0]
    target = next(role for role in group if is_named(role.router, to))
    if target.router == giver.router:
        return Plan(going=going, to=target.router, done=True)
    if not _answers(target, answering) or target.role != "backup":
        return Problem(
            f"{target.router} cannot follow for {_what(target)}: {_state(target, answering)}", EXIT_NOT_DONE
        )
    notes = _group_note(going)
    priority = _priority(target)
    for role in group:
        if _answers(role, answering) and role.role == "backup" and _priority(role) > priority:
            higher = f"{role.router} has priority {_priority(role)}, {target.router} {priority}"
            notes += (f"{higher}: unless it has nopreempt, it takes over next",)
    return Plan(going=going, to=target.router, notes=notes)


def _priority(role: Role) -> int:
    return role.effective_priority or role.priority
