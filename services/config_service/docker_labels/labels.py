"""What a container's labels say: a member of a pool, or why it cannot be one. Pure.

Only the labels are judged here; whether there is such a pool, and which of the container's networks its
router reaches, `overlay` knows.
"""

from __future__ import annotations

import difflib
from typing import Final

import msgspec

from config_service.docker_labels.containers import LABEL, PREFIX, Container, Network
from config_service.problems import quoted
from vipbus.runtime.naming import canonical

PORT: Final = f"{PREFIX}port"
WEIGHT: Final = f"{PREFIX}weight"
NETWORK: Final = f"{PREFIX}network"
ADDRESS: Final = f"{PREFIX}address"
_KNOWN: Final = (LABEL, PORT, WEIGHT, NETWORK, ADDRESS)
_LONGEST: Final = 255
"""Characters of a label's value that can mean anything."""
_MOST_WEIGHT: Final = 65535
"""ipvsadm(8), --weight."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A container that wants to be a real server."""

    container: str
    """Its name."""
    virtual_server: str
    """As the label says it: a name, a group, an address, a firewall mark."""
    port: int | None = None
    """None: the label is not there."""
    weight: int | None = None
    """None: as the pool's other real servers."""
    unhealthy: bool = False
    """True: the container's own health check fails, and it gets no new connections."""
    networks: tuple[Network, ...] = ()
    """Where it may be reached; several: those of them that the configuration knows."""


class Refused(msgspec.Struct, frozen=True):
    """A container that is no real server, though its labels say so."""

    container: str
    text: str
    """Where, what, what to do: one line."""


class _Refusal(Exception):  # noqa: N818  # it becomes a line
    pass


def member_of(container: Container) -> Member | Refused:
    """Read the labels of a container."""
    try:
        return _member(container)
    except _Refusal as refusal:
        return refused(container.name, str(refusal))


def refused(container: str, text: str) -> Refused:
    """Say it in a line."""
    name = container if container.isprintable() else quoted(container)
    return Refused(container, f"container {name}: {text}")


def _member(container: Container) -> Member:
    labels = container.labels
    for name in labels:
        if name not in _KNOWN:
            near = difflib.get_close_matches(name[:_LONGEST], _KNOWN, 1, 0.0)[0]
            raise _Refusal(f"there is no label {quoted(name)}; did you mean {near}?")
    for name, text in labels.items():
        if len(text) > _LONGEST or not text.isprintable():
            raise _Refusal(f"label {name} has {quoted(text)}, which can mean nothing; write one short line")
    virtual_server = labels.get(LABEL, "").strip()
    if not virtual_server:
        raise _Refusal(f"label {LABEL} is empty; name a virtual server, its group or its address")
    return Member(
        container=container.name,
        virtual_server=virtual_server,
        port=_number(labels[PORT], PORT, 1, 65535) if PORT in labels else None,
        weight=_number(labels[WEIGHT], WEIGHT, 0, _MOST_WEIGHT) if WEIGHT in labels else None,
        unhealthy=container.health == "unhealthy",
        networks=_networks(container),
    )


def _number(text: str, label: str, least: int, most: int) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and least <= int(text) <= most):
        raise _Refusal(f"label {label} is {quoted(text)}; write a number of {least} to {most}")
    return int(text)


def _networks(container: Container) -> tuple[Network, ...]:
    """Say where it may be reached.

    Raises:
        _Refusal: nowhere.
    """
    if (said := container.labels.get(ADDRESS)) is not None:
        address = canonical(said.strip())
        if not address:
            raise _Refusal(f"label {ADDRESS} is {quoted(said)}, which is no address; write one, or remove it")
        return (Network(ADDRESS, ipv6=address) if ":" in address else Network(ADDRESS, ipv4=address),)
    having = tuple(each for each in container.networks if each.ipv4 or each.ipv6)
    if not having:
        raise _Refusal(_nowhere(container.mode))
    if (name := container.labels.get(NETWORK)) is None:
        return having
    wanted = {name.strip(), f"{container.project}_{name.strip()}"}
    chosen = tuple(each for each in having if each.name in wanted)
    if not chosen:
        there = ", ".join(each.name for each in having)
        raise _Refusal(f"label {NETWORK} is {quoted(name)}, and it is in no such network; it is in {there}")
    return chosen


def _nowhere(mode: str) -> str:
    if mode == "host":
        return f"it uses its host's network; say which address that is by label {ADDRESS}"
    if mode.startswith("container:"):
        return f"it uses another container's network; label that one, or say the address by label {ADDRESS}"
    return "it is in no network; attach it to one that the routers reach"
