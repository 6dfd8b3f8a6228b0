"""One reconcile step at a time: work from whole pictures, write the difference, read it back, say so.

Every method is one short step without a wait; `loop` calls them, the most urgent first.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Final

import msgspec

from ipvs_programmer.causes import Causes
from ipvs_programmer.desired import Configured, Layout, Picture, active_instances, desired, is_wanted
from ipvs_programmer.holds import Holds
from ipvs_programmer.inputs import Change, Inputs
from ipvs_programmer.keeper import Keeper, Written
from ipvs_programmer.kernel import KernelError, NotPermittedError
from ipvs_programmer.metrics import DRIFT_REPAIRS, RECONCILE_SECONDS
from ipvs_programmer.owned import OwnedServices
from ipvs_programmer.report import Report
from ipvs_programmer.table import Key
from vipbus.contracts import DriftRepaired, Event, Standby
from vipbus.runtime.life import FatalError
from vipbus.runtime.readiness import Readiness
from vipbus.telemetry.trace import Span, TraceContext, record, span

log = logging.getLogger(__name__)

_READ_BACK_STEP: Final = 32
"""Services read back in one step."""
_LINKS: Final = 16
"""Causes of one reconcile beyond the first that its span links to."""

Publish = Callable[[Event, TraceContext], None]


class Programmer:
    """What one router's table should be, what it is, and the steps between."""

    def __init__(
        self,
        inputs: Inputs,
        keeper: Keeper,
        report: Report,
        owned: OwnedServices,
        readiness: Readiness,
        *,
        holds: Holds,
        standby: Standby,
        publish: Publish,
    ) -> None:
        self._inputs = inputs
        self._keeper = keeper
        self._holds = holds
        self._report = report
        self._owned = owned
        self._readiness = readiness
        self._standby: Standby = standby
        self._publish = publish
        self._layout: Layout | None = None
        self._active: frozenset[str] = frozenset()
        self._verdicts_known = False
        self._adopted = False
        """True while what is believed rests on a read of everything that is ours."""
        self._unread: dict[Key, tuple[str, TraceContext]] = {}
        self._loss: TraceContext | None = None
        """Of the present loss of the kernel: each try that finds the same is no news."""

    @property
    def own(self) -> frozenset[Key]:
        """Every service that is ours to look after; none before the kernel was read."""
        return self._owned.keys if self._adopted else frozenset()

    @property
    def adopted(self) -> bool:
        """True while what is ours has been read from the kernel."""
        return self._adopted

    @property
    def layout(self) -> Layout | None:
        """The revision that runs; None before there is one."""
        return self._layout

    @property
    def kernel_problem(self) -> str:
        """Why the kernel's table is out of reach, in words; empty while it is not."""
        return self._report.kernel_problem

    @property
    def has_errors(self) -> bool:
        """True while some service is not what it should be."""
        return bool(self._keeper.errors)

    @property
    def has_unread(self) -> bool:
        """True while something that was written was not read back yet."""
        return bool(self._unread)

    # ---- a change

    def react(self, *, whatever: bool = False) -> None:
        """Take in every change and write what follows from it.

        A kernel that is out of reach is asked again only with ``whatever``.

        Raises:
            FatalError: this process may not touch the table.
        """
        started = time.perf_counter()
        changes = self._inputs.changes()
        if not self._inputs.ready:
            return
        before = self._layout
        layout, renewed = self._take_revision()
        changes = [
            each for each in changes if not each.virtual_server or each.virtual_server in layout.servers
        ]
        first = not self._adopted
        dirty = self._dirty(layout, changes, before if not first else None)
        if dirty or changes or renewed:
            causes = Causes(() if first else changes)
            with _process(changes) as process:
                if self.kernel_problem and not whatever:
                    self._report.instances(process.context)
                else:
                    self._reconcile(layout, dirty, causes, process.context, everything=renewed or first)
            RECONCILE_SECONDS.observe(time.perf_counter() - started)
        self._report.sweep()

    def _take_revision(self) -> tuple[Layout, bool]:
        """Give the layout of the present revision, and whether it is a new one."""
        revision = self._inputs.revision
        assert revision is not None  # noqa: S101  # the inputs are ready
        if self._layout is not None and self._layout.revision is revision:
            return self._layout, False
        self._layout = self._report.layout = layout = Layout(revision)
        self._holds.keep_only(layout.servers.keys())
        # ours from before the first write, so that a crash after it leaves nothing without an owner
        self._owned.save(self._owned.keys | layout.by_key.keys())
        self._readiness.done("a configuration")
        return layout, True

    def _dirty(
        self, layout: Layout, changes: Iterable[Change], before: Layout | None
    ) -> dict[Key, Configured]:
        """Find the virtual servers whose desired state may have changed; all where nothing was before."""
        everything = before is None
        active = active_instances(layout.revision.instances, self._inputs.addresses, self._inputs.live_roles)
        moved, self._active = active ^ self._active, active
        if self._inputs.verdicts_known != self._verdicts_known:
            self._verdicts_known = everything = True
        if everything:
            return dict(layout.by_key)
        dirty: dict[Key, Configured] = {
            server.key: server for token in moved for server in layout.by_instance.get(token, ())
        }
        if before is not None and before is not layout:
            dirty |= layout.news(before)
            # what the kernel refused may be done under another revision
            dirty |= {key: layout.by_key[key] for key in self._keeper.errors if key in layout.by_key}
        for change in changes:
            if change.virtual_server:
                server = layout.servers[change.virtual_server]
                dirty[server.key] = server
        return dirty

    def _reconcile(
        self,
        layout: Layout,
        dirty: dict[Key, Configured],
        causes: Causes,
        trace: TraceContext,
        *,
        everything: bool,
    ) -> None:
        keys = dict.fromkeys(dirty)
        if everything:
            keys |= dict.fromkeys(key for key in self._owned.keys if key not in layout.by_key)
        try:
            written = self._bring_about(list(keys), dirty.values(), trace)
        except KernelError as error:
            self._lose_kernel(error)
            return
        self._report.kernel("")
        # the agent waits for this one; documents and reads come after
        self._report.instances(written.trace)
        self._report.log(written.operations, causes)
        self._say_holds(dirty.values(), causes, written.trace)
        touched = written.keys
        if everything:
            keys |= dict.fromkeys(layout.by_key)  # every document names the revision it rests on
        for key in keys:
            server = layout.by_key.get(key)
            if key in touched:
                self._unread[key] = (causes.of(server), written.trace)
            elif server is not None:
                self._report.server(server, causes.of(server), written.trace)
        if everything:
            left = {key for key in self._owned.keys if key in self._keeper.believed}
            self._owned.save(left | layout.by_key.keys())
        self._report.condition()
        self._readiness.done("the first write")

    def _bring_about(
        self, keys: Sequence[Key], servers: Collection[Configured], trace: TraceContext
    ) -> Written:
        if not self._adopted:
            self._read_own()
            self._adopted = True
        kept = None if self._verdicts_known else dict(self._keeper.believed)
        picture = Picture(verdicts=self._inputs.verdicts, operators=self._inputs.operators, kept=kept)
        holds = self._holds.follow(servers, picture, self._keeper.believed)
        picture = msgspec.structs.replace(picture, holds=holds)
        self._keeper.want(keys, desired(servers, picture, self._active, self._standby))
        return self._keeper.write(keys, trace) if keys else Written((), trace)

    def _say_holds(self, servers: Iterable[Configured], causes: Causes, trace: TraceContext) -> None:
        for server in servers:
            wanted = is_wanted(server, self._active, self._standby)
            event = self._holds.news(server, causes.of(server), wanted=wanted)
            if event is not None:
                self._publish(event, trace)

    def _read_own(self) -> None:
        """Read all that is ours; a router of addresses alone has nothing there and needs no IPVS."""
        if self._owned.keys:
            self._keeper.read(self._owned.keys)

    # ---- reads

    def read_back(self) -> None:
        """Read a few of the services that were written, and say what they are now."""
        step = dict(list(self._unread.items())[:_READ_BACK_STEP])
        for key in step:
            del self._unread[key]
        self.check(list(step))
        if self._layout is None or not self._adopted:
            return
        for key, (cause, trace) in step.items():
            if (server := self._layout.by_key.get(key)) is not None:
                self._report.server(server, cause, trace)
        self._report.condition()

    def check(self, keys: Sequence[Key]) -> None:
        """Read services and repair what someone else changed in them."""
        if not keys:
            return
        try:
            if changed := self._keeper.look(keys):
                self._repair(changed)
        except KernelError as error:
            self._lose_kernel(error)

    def _repair(self, keys: Sequence[Key]) -> None:
        with span("repair drift") as repairing:
            written = self._keeper.write(keys, repairing.context)
        repairs: dict[Key, list[str]] = {}
        for operation in written.operations:
            repairs.setdefault(operation.key, []).append(str(operation))
            log.warning("the table was changed by someone else; repaired: %s", operation)
        by_key = self._layout.by_key if self._layout is not None else {}
        for key, lines in repairs.items():
            DRIFT_REPAIRS.add()
            server = by_key.get(key)
            if server is None:
                continue
            virtual = server.virtual_server
            event = DriftRepaired(router=virtual.router, virtual_server=virtual.id, repairs=tuple(lines))
            self._publish(event, written.trace)
            self._report.server(server, f"changed by someone else; repaired: {lines[0]}", written.trace)
        self._report.instances(written.trace)
        self._report.condition()

    def try_again(self) -> None:
        """Try once more what the kernel refused, or the kernel itself."""
        if not self._adopted:
            try:
                self._read_own()
            except KernelError as error:
                self._lose_kernel(error)
            else:
                self.react(whatever=True)
            return
        keys = list(self._keeper.errors)
        if not keys:
            return
        try:
            self._keeper.read(keys)
            written = self._keeper.write(keys, record("try again"))
        except KernelError as error:
            self._lose_kernel(error)
            return
        self._say_all(keys, written, "tried again")

    # ---- the end

    def remove_all(self) -> None:
        """Remove every service that is ours, for a stop."""
        keys = list(self.own)
        self._keeper.want(keys, {})
        try:
            written = self._keeper.write(keys, record("stop"))
        except KernelError as error:
            log.warning("our table could not be removed: %s", error)
            return
        self._owned.save([key for key in self._owned.keys if key in self._keeper.believed])
        self._say_all(keys, written, "ipvs-programmer was stopped")

    def _say_all(self, keys: Iterable[Key], written: Written, cause: str) -> None:
        self._report.instances(written.trace)
        self._report.log(written.operations, Causes((), otherwise=cause))
        for key in keys:
            if self._layout is not None and (server := self._layout.by_key.get(key)) is not None:
                self._report.server(server, cause, written.trace)
        self._report.condition()

    def _lose_kernel(self, error: KernelError) -> None:
        if isinstance(error, NotPermittedError):
            raise FatalError(str(error)) from error
        self._adopted = False
        self._unread.clear()
        self._keeper.forget()
        if self._loss is None or self.kernel_problem != str(error):
            self._loss = record("lose kernel")
        trace = self._loss
        self._report.kernel(str(error))
        self._report.instances(trace)
        if self._layout is not None:
            for server in self._layout.servers.values():
                self._report.server(server, str(error), trace)
        self._report.condition()
        self._readiness.done("the first write")


def _process(changes: Sequence[Change]) -> AbstractContextManager[Span]:
    """Open the span of a reconcile: within the trace of its first cause, linked to the others."""
    traced = [(each.template, each.trace) for each in changes if each.trace is not None]
    if not traced:
        return span("reconcile")
    (template, parent), *others = traced
    return span(
        f"process {template}",
        parent=parent,
        links=[trace for _, trace in others[:_LINKS]],
        kind="consumer",
        attributes={
            "messaging.system": "nats",
            "messaging.operation.type": "process",
            "messaging.destination.template": template,
            "vipbus.causes": len(changes),
        },
    )
