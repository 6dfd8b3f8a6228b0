"""How two sets of entities differ, entity by entity and field by field. Pure."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from config_service.past import Bodies, entities_of
from vipbus.contracts import Entity, RealServer, VirtualServer, token_in_words, virtual_server_words
from vipbus.contracts.config_commands import EntityChange, FieldChange

MOST: Final = 1000
"""Changes that an answer lists; all of them are counted."""
_SECRET: Final = frozenset({"auth_pass", "hmac"})
"""Fields that name passwords or keys."""
_LONGEST: Final = 400
"""Characters of a value."""


class Differences(msgspec.Struct, frozen=True, kw_only=True):
    """What differs, counted whole and listed as far as it goes."""

    added: int
    changed: int
    removed: int
    changes: tuple[EntityChange, ...]
    left_out: int


def differences(before: Bodies, after: Bodies, *, most: int = MOST) -> Differences:
    """Compare what was with what is to be, given as documents."""
    was = _entities({key: body for key, body in before.items() if after.get(key) != body})
    now = _entities({key: body for key, body in after.items() if before.get(key) != body})
    added = [key for key in now if key not in was]
    removed = [key for key in was if key not in now]
    changed = [key for key, entity in now.items() if was.get(key, entity) != entity]
    listed = sorted((*added, *removed, *changed))
    changes = tuple(_change(key, was.get(key), now.get(key)) for key in listed[:most])
    return Differences(
        added=len(added),
        changed=len(changed),
        removed=len(removed),
        changes=changes,
        left_out=len(listed) - len(changes),
    )


def _entities(bodies: Bodies) -> dict[str, Entity]:
    return {each.key: each for each in entities_of(bodies)}


def _change(key: str, was: Entity | None, now: Entity | None) -> EntityChange:
    shown = now if now is not None else was
    what: Literal["added", "changed", "removed"] = (
        "added" if was is None else "removed" if now is None else "changed"
    )
    return EntityChange(
        what=what,
        kind=key.split(".")[1],
        name=_name(key, shown),
        key=key,
        fields=_fields(was, now) if was is not None and now is not None else (),
        origin=shown.origin if isinstance(shown, RealServer) else "",
    )


def _name(key: str, entity: Entity | None) -> str:
    if isinstance(entity, VirtualServer):
        return entity.words
    if isinstance(entity, RealServer):
        pool = token_in_words(entity.virtual_server) or entity.virtual_server
        return f"{virtual_server_words(entity.address, entity.port, '').strip()} of {pool}"
    name = getattr(entity, "name", "")
    return name if isinstance(name, str) and name else " ".join(key.split(".")[1:])


def _fields(was: Entity, now: Entity) -> tuple[FieldChange, ...]:
    if type(was) is not type(now):
        return (FieldChange(name="kind", before=type(was).__name__, after=type(now).__name__),)
    found: list[FieldChange] = []
    for name in was.__struct_fields__:
        before, after = getattr(was, name), getattr(now, name)
        if before == after:
            continue
        if name in _SECRET:
            before, after = _hidden(before, "set"), _hidden(after, "another")
        found.append(FieldChange(name=name, before=_text(before), after=_text(after)))
    return tuple(found)


def _hidden(value: object, word: str) -> object:
    return None if value is None else word


def _text(value: object) -> str:
    if value is None:
        return "none"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def decoded(bodies: Bodies) -> tuple[Entity, ...]:
    """Read entities, in the order of their keys."""
    found = _entities(bodies)
    return tuple(found[key] for key in sorted(found))
