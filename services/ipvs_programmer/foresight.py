"""What the next reconcile would do, found without doing it: the programmer's own desired and its own plan.

The kernel is read anew, a few services at a step, and each step is compared at once with what is desired at
that moment: a write between two steps makes no difference that is none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from ipvs_programmer.desired import Layout, active_instances, is_wanted
from ipvs_programmer.inputs import Inputs
from ipvs_programmer.keeper import Keeper
from ipvs_programmer.kernel import Kernel
from ipvs_programmer.plan import EditDestination, EditService, Operation, plan
from ipvs_programmer.pools import Pools
from ipvs_programmer.table import Key, Pool, Table
from ipvs_programmer.tokens import token_of
from vipbus.contracts import Head, Standby
from vipbus.contracts.table_commands import PlannedConfiguration, PlannedOperation, PlannedPool
from vipbus.runtime.revision import Revision, vrrp_configuration

STEP: Final = 8
"""Services read in one step: a verdict waits no longer than that takes."""

Desired = Callable[[Collection[Key], Table], Table]
"""Gives what these services should be, beside what the kernel has of them."""


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """What a comparison is about."""

    keys: tuple[Key, ...]
    desired: Desired
    owned: Collection[Key]
    waiting: int = 0
    """So many virtual servers are kept out of the table by the roles."""


def as_it_is(keeper: Keeper, own: Collection[Key], layout: Layout | None) -> Scene:
    """Compare what is desired now."""
    waiting = 0
    if layout is not None:
        waiting = sum(key not in keeper.desired for key in layout.by_key)
    return Scene(
        keys=tuple(sorted(own, key=str)),
        desired=lambda keys, _: _picked(keeper.desired, keys),
        owned=own,
        waiting=waiting,
    )


def with_another(
    layout: Layout, inputs: Inputs, pools: Pools, own: Collection[Key], standby: Standby
) -> Scene:
    """Compare what another configuration would make of the same verdicts, operators and roles."""
    active = active_instances(layout.revision.instances, inputs.addresses, inputs.live_roles)
    trial = pools.apart()

    def wanted(keys: Collection[Key], observed: Table) -> Table:
        servers = [layout.by_key[key] for key in keys if key in layout.by_key]
        # what is asked of one step is not the others' business: what leaves there is known there
        return _picked(trial.look(servers, observed, active, renewed=layout, cause=lambda _: ""), keys)

    return Scene(
        keys=tuple(sorted({*own, *layout.by_key}, key=str)),
        desired=wanted,
        owned=own,
        waiting=sum(not is_wanted(server, active, standby) for server in layout.servers.values()),
    )


async def compare(kernel: Kernel, scene: Scene, errors: Mapping[Key, str]) -> tuple[PlannedPool, ...]:
    """Compare step by step, giving way after each; ``errors`` are the kernel's last words, by service.

    Raises:
        KernelError: the table cannot be read.
    """
    pools: list[PlannedPool] = []
    for start in range(0, len(scene.keys), STEP):
        step = scene.keys[start : start + STEP]
        observed = kernel.read(step)
        operations = plan(scene.desired(step, observed), observed, scene.owned)
        pools += _pools(operations, observed, scene.owned, errors)
        await asyncio.sleep(0)
    return tuple(pools)


def layout_of(configuration: PlannedConfiguration, router: str) -> Layout:
    """Arrange a configuration that nobody runs as one that is run."""
    entities = (*configuration.instances, *configuration.virtual_servers, *configuration.real_servers)
    head = Head(
        router=router,
        revision=0,
        entities=len(entities),
        digest="",
        source=configuration.source,
        accepted_at=datetime.now(UTC),
    )
    return Layout(
        Revision(
            head=head,
            vrrp=vrrp_configuration(router, 0, entities),
            virtual_servers=configuration.virtual_servers,
            real_servers=configuration.real_servers,
            ipvs=configuration.ipvs,
        )
    )


def _picked(table: Table, keys: Collection[Key]) -> dict[Key, Pool]:
    return {key: pool for key in keys if (pool := table.get(key)) is not None}


def _pools(
    operations: Collection[Operation], observed: Table, owned: Collection[Key], errors: Mapping[Key, str]
) -> Iterator[PlannedPool]:
    grouped: dict[Key, list[PlannedOperation]] = {}
    for operation in operations:
        told = PlannedOperation(
            kind=operation.kind,  # type: ignore[arg-type]  # a kind of operation is one of the contract's
            text=str(operation),
            before=_before(operation, observed),
        )
        grouped.setdefault(operation.key, []).append(told)
    for key, found in grouped.items():
        yield PlannedPool(
            virtual_server=token_of(key),
            operations=tuple(found),
            refused=errors.get(key, ""),
            foreign=key in observed and key not in owned,
        )


def _before(operation: Operation, observed: Table) -> str:
    pool = observed.get(operation.key)
    if pool is None:
        return ""
    if isinstance(operation, EditService):
        return str(pool.service)
    if isinstance(operation, EditDestination):
        found = pool.destinations[operation.destination.key]
        return f"weight {found.weight} {found.forwarding.name}{found.extras}"
    return ""
