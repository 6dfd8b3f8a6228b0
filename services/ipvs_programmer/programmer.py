"""One reconcile step at a time: work from whole pictures, write the difference, read it back, say so.

Every method is one short step without a wait; `loop` calls them, the most urgent first.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from ipvs_programmer.causes import Causes, process
from ipvs_programmer.desired import Configured, Layout, active_instances
from ipvs_programmer.inputs import Change, Inputs
from ipvs_programmer.keeper import Keeper, Written
from ipvs_programmer.kernel import KernelError, NotPermittedError
from ipvs_programmer.metrics import RECONCILE_SECONDS
from ipvs_programmer.notify.teller import Teller
from ipvs_programmer.owned import OwnedServices
from ipvs_programmer.pools import Pools
from ipvs_programmer.repairs import repair
from ipvs_programmer.report import Report
from ipvs_programmer.table import Key
from vipbus.contracts import Event
from vipbus.runtime.life import FatalError
from vipbus.runtime.readiness import Readiness
from vipbus.telemetry.trace import TraceContext, record

log = logging.getLogger(__name__)

_READ_BACK_STEP: Final = 32
"""Services read back in one step."""

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
        pools: Pools,
        teller: Teller,
        publish: Publish,
    ) -> None:
        self._inputs = inputs
        self._keeper = keeper
        self._pools = pools
        self._teller = teller
        self._report = report
        self._owned = owned
        self._readiness = readiness
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
            with process(changes) as processing:
                if self.kernel_problem and not whatever:
                    self._report.instances(processing.context)
                else:
                    self._reconcile(layout, dirty, causes, processing.context, everything=renewed or first)
            RECONCILE_SECONDS.observe(time.perf_counter() - started)
        if self._teller.behind and self._adopted:
            self._teller.follow(layout, ())
        self._report.sweep()

    def _take_revision(self) -> tuple[Layout, bool]:
        """Give the layout of the present revision, and whether it is a new one."""
        revision = self._inputs.revision
        assert revision is not None  # noqa: S101  # the inputs are ready
        if self._layout is not None and self._layout.revision is revision:
            return self._layout, False
        self._layout = self._report.layout = layout = Layout(revision, self._layout)
        self._pools.configure(layout)
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
        active = self._pools.active(layout, active)
        moved, self._active = active ^ self._active, active
        if self._inputs.verdicts_known != self._verdicts_known:
            self._verdicts_known = everything = True
        if everything:
            return dict(layout.by_key)
        dirty: dict[Key, Configured] = {
            server.key: server for token in moved for server in layout.by_instance.get(token, ())
        }
        # what holds the same table in another epoch says so
        roles = (each.instance for each in changes if each.template == "vipbus.state.role")
        dirty |= {server.key: server for token in roles for server in layout.by_instance.get(token, ())}
        if before is not None and before is not layout:
            dirty |= layout.news(before)
            # what the kernel refused may be done under another revision
            dirty |= {key: layout.by_key[key] for key in self._keeper.errors if key in layout.by_key}
        for change in changes:
            if change.virtual_server:
                server = layout.servers[change.virtual_server]
                dirty[server.key] = server
        return dirty | {
            key: server
            for key, server in self._pools.leaving.items()
            if self._pools.wanted(server, active) != (key in self._keeper.believed)
        }

    def _reconcile(
        self,
        layout: Layout,
        dirty: dict[Key, Configured],
        causes: Causes,
        trace: TraceContext,
        *,
        everything: bool,
        drained: Collection[Key] = (),
    ) -> None:
        keys = dict.fromkeys((*dirty, *drained))
        if everything:
            keys |= dict.fromkeys(key for key in self._owned.keys if key not in layout.by_key)
        renewed = layout if everything else None
        try:
            written = self._bring_about(list(keys), dirty.values(), causes, trace, renewed=renewed)
        except KernelError as error:
            self._lose_kernel(error)
            return
        self._report.kernel("")
        # the agent waits for this one; documents and reads come after
        self._report.instances(written.trace)
        self._report.log(written.operations, causes)
        for event in self._pools.news(dirty.values(), self._active, causes.of):
            self._publish(event, written.trace)
        self._pools.save()
        self._teller.follow(layout, dirty.values())
        touched = written.keys
        if everything:
            keys |= dict.fromkeys(layout.by_key)  # every document names the revision it rests on
        for key in keys:
            server = self._server(key)
            if key in touched:
                self._unread[key] = (causes.of(server), written.trace)
            elif server is not None:
                self._report.server(server, causes.of(server), written.trace)
        # one that drains is ours also while the role keeps it out of the table
        self._owned.forget(
            key for key in keys if self._server(key) is None and key not in self._keeper.believed
        )
        self._report.condition()
        self._readiness.done("the first write")

    def _bring_about(
        self,
        keys: Sequence[Key],
        servers: Collection[Configured],
        causes: Causes,
        trace: TraceContext,
        *,
        renewed: Layout | None,
    ) -> Written:
        if not self._adopted:
            self._read_own()
            self._adopted = True
        desired = self._pools.look(
            servers, self._keeper.believed, self._active, renewed=renewed, cause=causes.of
        )
        self._keeper.want(keys, desired)
        return self._keeper.write(keys, trace) if keys else Written((), trace)

    def _server(self, key: Key) -> Configured | None:
        """Find a virtual server of the configuration, or one that has left it and drains."""
        found = self._layout.by_key.get(key) if self._layout is not None else None
        return found if found is not None else self._pools.leaving.get(key)

    def _read_own(self) -> None:
        """Read all that is ours; a router of addresses alone has nothing there and needs no IPVS."""
        if self._owned.keys:
            self._keeper.read(self._owned.keys)

    # ---- the time

    def follow(self, changes: Sequence[Change], drained: Collection[Key]) -> TraceContext:
        """Write what follows from changes that the time alone has made; return the trace of that.

        Raises:
            FatalError: this process may not touch the table.
        """
        layout = self._layout
        assert layout is not None  # noqa: S101  # whoever asks has looked
        tokens = {change.virtual_server for change in changes}
        leaving = {server.virtual_server.id: server for server in self._pools.leaving.values()}
        servers = [server for token in tokens if (server := layout.servers.get(token) or leaving.get(token))]
        with process(changes) as processing:
            self._reconcile(
                layout,
                {server.key: server for server in servers},
                Causes(changes, otherwise=changes[0].text),
                processing.context,
                everything=False,
                drained=drained,
            )
        self._report.sweep()
        return processing.context

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
            if (server := self._server(key)) is not None:
                self._report.server(server, cause, trace)
        self._report.condition()

    def check(self, keys: Sequence[Key]) -> None:
        """Read services and repair what someone else changed in them."""
        if not keys:
            return
        try:
            if changed := self._keeper.look(keys):
                repair(
                    changed,
                    self._keeper,
                    self._report,
                    server_of=self._server,
                    publish=self._publish,
                )
        except KernelError as error:
            self._lose_kernel(error)

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
            if self._layout is not None and (server := self._server(key)) is not None:
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
