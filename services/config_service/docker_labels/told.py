"""What is told of containers: which are no real servers, and who came and went. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from config_service.docker_labels.overlay import Laid
from config_service.docker_labels.view import Members

MOST: Final = 20
"""Refused containers that are named; the others are counted."""


def problems(members: Members, laid: Collection[Laid]) -> dict[str, str]:
    """Give a line for each container that is no real server, by name, and for each pool that is held."""
    refused = [*members.refused, *(each for one in laid for each in one.refused)]
    # a virtual server may be that of one router alone
    everywhere = [{each.container for each in one.unknown} for one in laid]
    nobody = set.intersection(*everywhere) if everywhere else set()
    refused += [each for one in laid for each in one.unknown if each.container in nobody]
    wrong: dict[str, str] = {}
    for each in refused:
        wrong.setdefault(each.container, each.text)
    told = dict(sorted(wrong.items())[:MOST])
    if (others := len(wrong) - MOST) > 0:
        told["others"] = f"{others} more containers are no real servers; put these right first"
    return told | {f"pool {token}": text for one in laid for token, text in one.held}


def changes(before: Members | None, now: Members) -> str:
    """Say in a few words who came, went or changed: a revision's cause."""
    old = {each.container: each for each in before.members} if before is not None else {}
    new = {each.container: each for each in now.members}
    parts = [
        f"{_some(names)} {word}"
        for names, word in (
            (sorted(new.keys() - old.keys()), "in"),
            (sorted(old.keys() - new.keys()), "out"),
            (sorted(name for name in new.keys() & old.keys() if new[name] != old[name]), "changed"),
        )
        if names
    ]
    return f"docker: {'; '.join(parts) or 'no containers'}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
