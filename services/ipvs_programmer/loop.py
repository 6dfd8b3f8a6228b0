"""The loop around the programmer: what is woken by what, in which order, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import Final

from ipvs_programmer import plan_command, table_command
from ipvs_programmer.addresses import Addresses, KernelAddresses
from ipvs_programmer.documents import Documents
from ipvs_programmer.drains import Drains
from ipvs_programmer.drift import Rounds
from ipvs_programmer.holds import Holds
from ipvs_programmer.inputs import Inputs
from ipvs_programmer.ipvs import IpvsKernel
from ipvs_programmer.keeper import Keeper
from ipvs_programmer.kernel import Kernel, NoIpvsError
from ipvs_programmer.look import Look
from ipvs_programmer.module import load_ip_vs
from ipvs_programmer.octets import NetlinkError
from ipvs_programmer.options import Options
from ipvs_programmer.owned import OwnedServices
from ipvs_programmer.pools import Pools
from ipvs_programmer.programmer import Programmer
from ipvs_programmer.quorums import Quorums
from ipvs_programmer.report import Report
from ipvs_programmer.suspects import Suspects
from ipvs_programmer.ticks import Ticks
from vipbus.contracts import Event
from vipbus.runtime.life import FatalError, Life
from vipbus.telemetry.trace import TraceContext

log = logging.getLogger(__name__)

_RETRY_SOON: Final = 0.1
"""Seconds until what the kernel refused is tried again: a shortage passes, a module is loaded meanwhile."""
_RETRY: Final = 3.0
"""The longest time between two tries; each waits twice as long as the one before."""
_ADDRESSES_LEAVE: Final = 3.0
"""Seconds that a stop waits for the virtual addresses to go: addresses first, then the table behind them."""
_LAST_WORDS: Final = 1.0
"""Seconds that a stop waits for the bus to take the last documents."""


async def work(
    life: Life, options: Options, *, kernel: Kernel | None = None, addresses: Addresses | None = None
) -> None:
    """Run until a signal, and end as the options say; kernel and addresses are given by tests.

    Raises:
        FatalError: this process may not touch the table or see the addresses.
    """
    state_dir = life.settings.state_dir
    wake = asyncio.Event()
    addresses = addresses if addresses is not None else KernelAddresses()
    try:
        _make_directory(state_dir)
        addresses.start(wake.set)
    except (OSError, NetlinkError) as error:
        raise FatalError(f"ipvs-programmer cannot start: {error}") from error
    publishing: set[asyncio.Task[None]] = set()

    def publish(event: Event, trace: TraceContext) -> None:
        task = asyncio.get_running_loop().create_task(life.bus.publish(event, trace))
        publishing.add(task)
        task.add_done_callback(publishing.discard)

    documents = Documents(life.bus, options.router, wake=wake.set)
    inputs = Inputs(life.bus, addresses, router=options.router, state_dir=state_dir, wake=wake.set)
    kernel = kernel if kernel is not None else IpvsKernel()
    keeper = Keeper(kernel)
    holds = Holds()
    drains = Drains(kernel, state_dir / "ipvs-programmer.drains.json", options.router)
    quorums = Quorums(state_dir / "ipvs-programmer.quorums.json")
    pools = Pools(inputs, holds, quorums, drains, standby=options.standby)
    suspects = Suspects(kernel, options.router, publish, time.monotonic())
    programmer = Programmer(
        inputs,
        keeper,
        Report(inputs, keeper, documents, life.readiness, pools=pools, holds=holds),
        OwnedServices(state_dir / "ipvs-programmer.owned.json"),
        life.readiness,
        pools=pools,
        publish=publish,
    )
    ticks = Ticks(programmer, keeper, pools, drains, publish)
    life.readiness.revisions_from(inputs.numbers)
    look = Look(programmer, inputs, keeper, pools, kernel, options)
    life.serve(plan_command.commands(look) | table_command.commands(look))
    stop = asyncio.ensure_future(life.stopping.wait())
    stop.add_done_callback(lambda _: wake.set())
    try:
        await _steps(
            programmer,
            inputs,
            suspects,
            ticks,
            wake=wake,
            stopping=life.stopping,
            drift_interval=options.drift_interval,
        )
        if options.on_stop == "remove":
            if programmer.own:
                await _without_addresses(inputs, wake)
            programmer.remove_all()
        inputs.save()
        await documents.flushed(_LAST_WORDS)
    finally:
        stop.cancel()
        addresses.close()
        await documents.close()


def _make_directory(state_dir: Path) -> None:
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)


async def _steps(
    programmer: Programmer,
    inputs: Inputs,
    suspects: Suspects,
    ticks: Ticks,
    *,
    wake: asyncio.Event,
    stopping: asyncio.Event,
    drift_interval: float,
) -> None:
    """Do one step after another, the most urgent first, and give way to the bus after each."""
    clock = time.monotonic
    rounds = Rounds(drift_interval, clock())
    retry_at, patience = 0.0, _RETRY_SOON
    loading: asyncio.Task[None] | None = None
    wake.set()
    while not stopping.is_set():
        await _react(programmer, inputs, suspects, wake)
        if not programmer.kernel_problem and not programmer.has_errors:
            retry_at, patience = 0.0, _RETRY_SOON
        elif not retry_at:
            retry_at, patience = clock() + patience, min(2 * patience, _RETRY)
            if programmer.kernel_problem == str(NoIpvsError()) and loading is None:
                loading = asyncio.ensure_future(load_ip_vs())
        if programmer.has_unread:
            # at most one of these between two looks at what changed
            programmer.read_back()
        elif retry_at and clock() >= retry_at:
            retry_at = 0.0
            programmer.try_again()
        elif clock() >= ticks.due:
            ticks.step(clock)
        elif clock() >= rounds.due:
            started = clock()
            programmer.check(rounds.take(programmer.own))
            rounds.took(clock() - started, clock())
        elif clock() >= suspects.due:
            suspects.step(programmer.own, clock)
        else:
            await _wait(wake, min(rounds.due, suspects.due, ticks.due, retry_at or rounds.due) - clock())
        await asyncio.sleep(0)


async def _react(programmer: Programmer, inputs: Inputs, suspects: Suspects, wake: asyncio.Event) -> None:
    if wake.is_set():
        wake.clear()
        programmer.react()
        suspects.configure(inputs.revision)
        await asyncio.sleep(0)


async def _wait(wake: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await wake.wait()
    except TimeoutError:
        pass


async def _without_addresses(inputs: Inputs, wake: asyncio.Event) -> None:
    deadline = time.monotonic() + _ADDRESSES_LEAVE
    while inputs.holds_virtual_address():
        left = deadline - time.monotonic()
        if left <= 0:
            log.warning("virtual addresses are still on this router; its table is removed all the same")
            return
        wake.clear()
        await _wait(wake, left)
