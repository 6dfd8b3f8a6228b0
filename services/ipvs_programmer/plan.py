"""``plan(desired, observed, owned)``: the operations that make a table what it should be. Pure.

The order keeps traffic: a service before its destinations, then all that brings destinations in, then all
that takes them out, and services go last. So a pool with somebody to send to before and after has somebody at
every moment between. Foreign services are not looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import ClassVar

import msgspec

from ipvs_programmer.table import Destination, DestinationKey, Key, Pool, Service, Table


class _Operation(msgspec.Struct, frozen=True, gc=False):
    kind: ClassVar[str]


class AddService(_Operation, frozen=True, gc=False):
    """Make a virtual service."""

    kind: ClassVar[str] = "add-service"
    service: Service

    @property
    def key(self) -> Key:
        """The service it concerns."""
        return self.service.key

    def __str__(self) -> str:
        return f"add service {self.key} {self.service}"


class EditService(_Operation, frozen=True, gc=False):
    """Give a virtual service other settings; its connections and destinations stay."""

    kind: ClassVar[str] = "edit-service"
    service: Service

    @property
    def key(self) -> Key:
        """The service it concerns."""
        return self.service.key

    def __str__(self) -> str:
        return f"edit service {self.key} {self.service}"


class DeleteService(_Operation, frozen=True, gc=False):
    """Remove a virtual service and its destinations."""

    kind: ClassVar[str] = "delete-service"
    key: Key

    def __str__(self) -> str:
        return f"delete service {self.key}"


class AddDestination(_Operation, frozen=True, gc=False):
    """Put a real server into a service."""

    kind: ClassVar[str] = "add-destination"
    key: Key
    destination: Destination

    def __str__(self) -> str:
        d = self.destination
        return f"add destination {d.key} to {self.key} weight {d.weight}{d.extras}"


class EditDestination(_Operation, frozen=True, gc=False):
    """Give a destination other settings; its connections stay."""

    kind: ClassVar[str] = "edit-destination"
    key: Key
    destination: Destination

    def __str__(self) -> str:
        d = self.destination
        return f"edit destination {d.key} of {self.key} weight {d.weight} {d.forwarding.name}{d.extras}"


class DeleteDestination(_Operation, frozen=True, gc=False):
    """Take a real server out of a service."""

    kind: ClassVar[str] = "delete-destination"
    key: Key
    destination: DestinationKey

    def __str__(self) -> str:
        return f"delete destination {self.destination} from {self.key}"


Operation = AddService | EditService | DeleteService | AddDestination | EditDestination | DeleteDestination


def takes_out(operation: Operation) -> bool:
    """Say whether an operation leaves a pool with less: a deletion, or weight 0."""
    if isinstance(operation, EditDestination):
        return operation.destination.weight == 0
    return isinstance(operation, DeleteDestination | DeleteService)


def plan(desired: Table, observed: Table, owned: Collection[Key]) -> tuple[Operation, ...]:
    """Find what turns ``observed`` into ``desired``; what takes out comes after all the rest.

    What is desired is ours. Of the rest, only services in ``owned`` are removed; all others are foreign.
    """
    first: list[Operation] = []
    then: list[Operation] = []
    for key, pool in desired.items():
        for operation in _pool(pool, observed.get(key)):
            (then if takes_out(operation) else first).append(operation)
    then += (DeleteService(key) for key in observed if key in owned and key not in desired)
    return (*first, *then)


def _pool(desired: Pool, observed: Pool | None) -> Iterator[Operation]:
    key = desired.service.key
    if observed is None:
        yield AddService(desired.service)
        for destination in desired.destinations.values():
            yield AddDestination(key, destination)
        return
    if desired.service != observed.service:
        yield EditService(desired.service)
    if desired.destinations != observed.destinations:
        yield from _destinations(desired, observed)


def _destinations(desired: Pool, observed: Pool) -> Iterator[Operation]:
    key = desired.service.key
    before = observed.destinations
    for destination in desired.destinations.values():
        if destination.key not in before:
            yield AddDestination(key, destination)
    for destination in desired.destinations.values():
        if before.get(destination.key, destination) != destination:
            yield EditDestination(key, destination)
    for gone in before:
        if gone not in desired.destinations:
            yield DeleteDestination(key, gone)
