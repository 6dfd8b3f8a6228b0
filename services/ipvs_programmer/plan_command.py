"""The command ``plan``: what would change in the kernel's table, without changing it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from ipvs_programmer.desired import Layout
from ipvs_programmer.foresight import as_it_is, compare, layout_of, with_another
from ipvs_programmer.kernel import KernelError
from ipvs_programmer.look import Look
from vipbus.bus.packed import LARGEST, pack, unpack
from vipbus.contracts import name_token, per_router
from vipbus.contracts.table_commands import PlannedConfiguration, PlannedPool, PlanTable, TablePlan

if TYPE_CHECKING:
    from vipbus.bus import Command


def commands(look: Look) -> dict[str, Command]:
    """Give the command by its verb, to be served on the bus."""

    async def plan(body: bytes) -> bytes:
        # a large configuration is read beside the loop, so that verdicts go on meanwhile
        source, layout = await asyncio.to_thread(_asked, body, look.options.router)
        answer = await _answer(look, source, layout)
        return await asyncio.to_thread(fitting, answer, LARGEST)

    return {per_router("plan", name_token(look.options.router)): plan}


def _asked(body: bytes, router: str) -> tuple[str, Layout | None]:
    """Read the request.

    Raises:
        ValueError: it is not readable, or another router's.
    """
    asked = msgspec.json.decode(unpack(body), type=PlanTable)
    if asked.configuration is None:
        return "", None
    return asked.configuration.source, layout_of(_own(asked.configuration, router), router)


def _own(configuration: PlannedConfiguration, router: str) -> PlannedConfiguration:
    token = name_token(router)
    names = {each.router for each in configuration.instances}
    names |= {each.router for each in configuration.virtual_servers}
    names |= {each.router for each in configuration.real_servers}
    for name in sorted(names):
        if name_token(name) != token:
            raise ValueError(f"{configuration.source} is of router {name}, and this one is {router}")
    return configuration


async def _answer(look: Look, source: str, layout: Layout | None) -> TablePlan:
    answer = TablePlan(router=look.options.router, source=source)
    if look.nothing or look.inputs.revision is None:
        return msgspec.structs.replace(answer, reason=look.nothing)
    own = look.programmer.own
    if layout is None:
        scene = as_it_is(look.keeper, own, look.programmer.layout)
    else:
        scene = with_another(layout, look.inputs, look.pools, own, look.options.standby)
    try:
        pools = await compare(look.kernel, scene, look.keeper.errors)
    except KernelError as error:
        return msgspec.structs.replace(answer, reason=str(error))
    counts = Counter(operation.kind for pool in pools for operation in pool.operations)
    return msgspec.structs.replace(
        answer,
        revision=look.inputs.revision.head.revision,
        compared=len(scene.keys),
        waiting=scene.waiting,
        counts=tuple(counts.items()),
        pools=pools,
    )


def fitting(answer: TablePlan, largest: int) -> bytes:
    """Write the answer in so many octets, without the last virtual servers if there is no other way."""
    pools: Sequence[PlannedPool] = answer.pools
    while True:
        body = pack(msgspec.json.encode(answer))
        if len(body) <= largest or not answer.pools:
            return body
        keep = len(answer.pools) // 2
        answer = msgspec.structs.replace(answer, pools=tuple(pools[:keep]), left_out=len(pools) - keep)
