"""The command ``traffic``: what goes through the kernel's table, read now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from ipvs_programmer.counters import PoolStatistics, Statistics
from ipvs_programmer.foresight import STEP
from ipvs_programmer.kernel import KernelError
from ipvs_programmer.look import Look
from ipvs_programmer.table import Key
from ipvs_programmer.tokens import token_of
from vipbus.bus.packed import pack
from vipbus.contracts import name_token, per_router
from vipbus.contracts.table_commands import (
    DestinationTraffic,
    PoolTraffic,
    ReadTraffic,
    TableTraffic,
    Traffic,
)

if TYPE_CHECKING:
    from vipbus.bus import Command


def commands(look: Look) -> dict[str, Command]:
    """Give the command by its verb, to be served on the bus."""

    async def traffic(body: bytes) -> bytes:
        asked = msgspec.json.decode(body, type=ReadTraffic)
        return pack(msgspec.json.encode(await _answer(look, asked)))

    return {per_router("traffic", name_token(look.options.router)): traffic}


async def _answer(look: Look, asked: ReadTraffic) -> TableTraffic:
    answer = TableTraffic(router=look.options.router)
    if look.nothing:
        return msgspec.structs.replace(answer, reason=look.nothing)
    wanted = frozenset(asked.virtual_servers)
    keys = [key for key in look.programmer.own if not wanted or token_of(key) in wanted]
    pools: list[PoolTraffic] = []
    try:
        for start in range(0, len(keys), STEP):
            found = look.kernel.statistics(keys[start : start + STEP])
            pools += _pools(found, time.monotonic())
            await asyncio.sleep(0)
    except KernelError as error:
        return msgspec.structs.replace(answer, reason=str(error))
    return msgspec.structs.replace(answer, pools=tuple(pools))


def _pools(found: dict[Key, PoolStatistics], at: float) -> Iterator[PoolTraffic]:
    for key, pool in found.items():
        yield PoolTraffic(
            virtual_server=token_of(key),
            at=at,
            traffic=_traffic(pool.service),
            destinations=tuple(
                DestinationTraffic(
                    address=of.address,
                    port=of.port,
                    active=each.counts.active,
                    inactive=each.counts.inactive,
                    persistent=each.counts.persistent,
                    traffic=_traffic(each.statistics),
                )
                for of, each in pool.destinations.items()
            ),
        )


def _traffic(counted: Statistics) -> Traffic:
    rates = counted.rates
    return Traffic(
        connections=counted.connections,
        packets_in=counted.packets_in,
        packets_out=counted.packets_out,
        bytes_in=counted.bytes_in,
        bytes_out=counted.bytes_out,
        connections_rate=rates.connections,
        packets_in_rate=rates.packets_in,
        packets_out_rate=rates.packets_out,
        bytes_in_rate=rates.bytes_in,
        bytes_out_rate=rates.bytes_out,
    )
