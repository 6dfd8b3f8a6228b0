"""The loop around the programmer: what is woken by what, in which order, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from ipvs_programmer import plan_command, table_command
from ipvs_programmer.addresses import Addresses, KernelAddresses
from ipvs_programmer.around import Around
from ipvs_programmer.documents import Documents
from ipvs_programmer.drains import Drains
from ipvs_programmer.drift import Rounds
from ipvs_programmer.flush import this_boot
from ipvs_programmer.holds import Holds
from ipvs_programmer.inputs import Inputs
from ipvs_programmer.ipvs import IpvsKernel
from ipvs_programmer.keeper import Keeper
from ipvs_programmer.kernel import Kernel, KernelError, NoIpvsError
from ipvs_programmer.look import Look
from ipvs_programmer.module import load_ip_vs
from ipvs_programmer.nat_rules import PLACES, Kind, NatRules
from ipvs_programmer.notify.teller import Listener, Teller
from ipvs_programmer.octets import NetlinkError
from ipvs_programmer.options import Options
from ipvs_programmer.owned import OwnedServices
from ipvs_programmer.pools import Pools
from ipvs_programmer.programmer import Programmer
from ipvs_programmer.quorums import Quorums
from ipvs_programmer.report import Report
from ipvs_programmer.suspects import Suspects
from ipvs_programmer.sysctls import ProcSysctls, Sysctls
from ipvs_programmer.ticks import Ticks
from vipbus.contracts import Event
from vipbus.runtime.life import FatalError, Life
from vipbus.runtime.readiness import Readiness
from vipbus.telemetry.trace import TraceContext, record

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
    life: Life,
    options: Options,
    *,
    kernel: Kernel | None = None,
    addresses: Addresses | None = None,
    sysctls: Sysctls | None = None,
    places: Mapping[Kind, NatRules] = PLACES,
) -> None:
    """Run until a signal, and end as the options say; what is of the host is given by tests.

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
    teller = Teller(
        state_dir / "ipvs-programmer.told.json",
        pools.state,
        lambda: _listener(options.router, life.readiness, publish),
        ready=lambda: inputs.heard,
        boot=this_boot(),
    )
    suspects = Suspects(kernel, options.router, publish, time.monotonic())
    owned = OwnedServices(state_dir / "ipvs-programmer.owned.json")
    programmer = Programmer(
        inputs,
        keeper,
        Report(inputs, keeper, documents, life.readiness, pools=pools, holds=holds),
        owned,
        life.readiness,
        pools=pools,
        teller=teller,
        publish=publish,
    )
    ticks = Ticks(programmer, keeper, pools, drains, publish)
    around = Around(
        kernel,
        sysctls if sysctls is not None else ProcSysctls(),
        owned,
        life.readiness,
        router=options.router,
        state_dir=state_dir,
        standby=options.standby,
        interval=options.drift_interval,
        publish=publish,
        places=places,
    )
    life.readiness.revisions_from(inputs.numbers)
    look = Look(programmer, inputs, keeper, pools, kernel, options)
    life.serve(plan_command.commands(look) | table_command.commands(look))
    stop = asyncio.ensure_future(life.stopping.wait())
    stop.add_done_callback(lambda _: wake.set())
    try:
        await _steps(
            programmer,
            inputs,
            suspects=suspects,
            ticks=ticks,
            around=around,
            wake=wake,
            stopping=life.stopping,
            drift_interval=options.drift_interval,
        )
        remove = options.on_stop == "remove" or around.flush_on_stop is not None
        if remove and programmer.own:
            await _without_addresses(inputs, wake)
        await _leave(programmer, around, teller, kernel, remove=remove)
        inputs.save()
        await documents.flushed(_LAST_WORDS)
    finally:
        stop.cancel()
        addresses.close()
        teller.close()
        await documents.close()


def _listener(router: str, readiness: Readiness, publish: Callable[[Event, TraceContext], None]) -> Listener:
    # imported here: start-up is failover time, and many routers tell nobody of their pools
    from ipvs_programmer.notify.notifier import Notifier  # noqa: PLC0415

    return Notifier(router, readiness, lambda event: publish(event, record("notify")))


def _make_directory(state_dir: Path) -> None:
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)


async def _leave(
    programmer: Programmer, around: Around, teller: Teller, kernel: Kernel, *, remove: bool
) -> None:
    if remove:
        programmer.remove_all()
    if around.flush_on_stop == "all":
        _flush(kernel)
    await around.stop(remove=remove)
    await teller.stop(removed=remove)


def _flush(kernel: Kernel) -> None:
    try:
        kernel.flush()
    except KernelError as error:
        log.warning("the table could not be flushed: %s", error)
    else:
        log.info("the whole table is flushed, as configured")


async def _react(
    programmer: Programmer, inputs: Inputs, suspects: Suspects, around: Around, wake: asyncio.Event
) -> None:
    """Let each take in what changed: first whoever a takeover waits for."""
    if not wake.is_set():
        return
    wake.clear()
    programmer.react()
    suspects.configure(inputs.revision)
    if inputs.ready and inputs.revision is not None:
        around.follow(inputs.revision, inputs.live_roles, inputs.addresses)
    await asyncio.sleep(0)


class _Retries:
    """When what the kernel refused is tried again: soon, and ever more rarely."""

    def __init__(self) -> None:
        self.due = math.inf
        self._patience = _RETRY_SOON

    def note(self, wrong: bool, now: float) -> bool:  # one question, one answer
        """Take in whether something is wrong now; True if a try was set for it."""
        if not wrong:
            self.due, self._patience = math.inf, _RETRY_SOON
        elif self.due == math.inf:
            self.due, self._patience = now + self._patience, min(2 * self._patience, _RETRY)
            return True
        return False


async def _steps(
    programmer: Programmer,
    inputs: Inputs,
    *,
    suspects: Suspects,
    ticks: Ticks,
    around: Around,
    wake: asyncio.Event,
    stopping: asyncio.Event,
    drift_interval: float,
) -> None:
    """Do one step after another, the most urgent first, and give way to the bus after each."""
    clock = time.monotonic
    rounds = Rounds(drift_interval, clock())
    retries = _Retries()
    loading: asyncio.Task[None] | None = None
    wake.set()
    while not stopping.is_set():
        await _react(programmer, inputs, suspects, around, wake)
        wrong = bool(programmer.kernel_problem) or programmer.has_errors
        absent = programmer.kernel_problem == str(NoIpvsError())
        if retries.note(wrong, clock()) and absent and loading is None:
            loading = asyncio.ensure_future(load_ip_vs())
        if clock() >= around.due:
            around.look(clock())
        elif programmer.has_unread:
            # at most one of these between two looks at what changed
            programmer.read_back()
        elif clock() >= retries.due:
            retries.due = math.inf
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
            moments = (rounds.due, suspects.due, ticks.due, around.due, retries.due)
            await _wait(wake, min(moments) - clock())
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
