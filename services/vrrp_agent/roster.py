"""Which instances run: what a configuration begins, changes and ends, and where each has its place."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from vipbus.contracts import Family, VrrpConfiguration, VrrpInstance, VrrpSettings
from vipbus.runtime.poller import Poller
from vrrp_agent.circumstances import Circumstances
from vrrp_agent.ensemble import Ensemble
from vrrp_agent.events import AdvertisementReceived, Reconfigured, Stop
from vrrp_agent.exchange import Configure, Mailbox, Report
from vrrp_agent.expected import Expected
from vrrp_agent.heartbeat import Heartbeat
from vrrp_agent.notify.told import Told
from vrrp_agent.packet import Advertisement
from vrrp_agent.reconfigure import Begin, Change, End, Keep, Step, plan, virtual_addresses
from vrrp_agent.runtime import Hands, Runtime
from vrrp_agent.teller import Teller
from vrrp_agent.wire import Wire


class Roster:
    """Makes and dismisses instances; they live in the ensemble."""

    def __init__(
        self,
        *,
        instances: Ensemble,
        circumstances: Circumstances,
        heartbeat: Heartbeat,
        poller: Poller,
        hands: Hands,
        outbox: Mailbox[Report],
        tell: Callable[[Told], None],
    ) -> None:
        self.problems: tuple[str, ...] = ()
        """What of the configuration cannot run, a line each."""
        self.quiet_until = 0.0
        """CLOCK_MONOTONIC seconds until which nothing begins (vrrp_startup_delay)."""
        self._instances = instances
        self._circumstances = circumstances
        self._heartbeat = heartbeat
        self._poller = poller
        self._hands = hands
        self._outbox = outbox
        self._tell = tell
        self._wires: dict[tuple[str, Family], Wire] = {}
        self._born = time.monotonic()
        self._log_unknown_vrids = False
        self._secrets: Mapping[str, str] = {}

    def configure(self, command: Configure) -> None:
        """Run exactly these instances from now on; they begin when `Agent` looks at them."""
        configuration = command.configuration
        running = {runtime.token: runtime.config for runtime in self._instances}
        leaving = {runtime.token for runtime in self._instances if runtime.forgotten}
        new = plan(running, leaving, configuration.instances)
        self.problems = new.problems
        self._secrets = command.secrets
        self._log_unknown_vrids = configuration.settings.log_unknown_vrids
        self.quiet_until = self._quiet_until(configuration.settings)
        self._instances.form(configuration.groups)
        for runtime in self._instances:
            runtime.teller.revision, runtime.teller.trace = configuration.revision, command.trace
        # an address that becomes virtual is no primary one any more, before anything begins with it
        self._circumstances.virtual = virtual_addresses((*running.values(), *configuration.instances))
        for step in new.steps:
            self._take(step, command, configuration)
        self._circumstances.virtual = virtual_addresses(runtime.config for runtime in self._instances)
        for runtime in self._instances:
            runtime.teller.trace = None

    def _quiet_until(self, settings: VrrpSettings) -> float:
        """Count one delay from the start of the agent and the other from that of the machine."""
        booted = time.monotonic() - time.clock_gettime(time.CLOCK_BOOTTIME)
        after_boot = booted + settings.delay_after_boot if settings.delay_after_boot else 0.0
        return max(self._born + settings.startup_delay if settings.startup_delay else 0.0, after_boot)

    def _take(self, step: Step, command: Configure, configuration: VrrpConfiguration) -> None:
        match step:
            case End(token, cause, graceful, replaced):
                runtime = self._instances.get(token)
                if runtime is not None:
                    runtime.forgotten = not replaced
                    self._instances.tell(runtime, Stop(cause, graceful))
            case Keep(token):
                runtime = self._instances.get(token)
                if runtime is not None:
                    self._expect(runtime)  # the secrets may be others
                    self._outbox.put(runtime.teller.role(runtime.state, changed=False))
            case Change(token, config):
                runtime = self._instances.get(token)
                if runtime is not None:
                    self._instances.tell(runtime, Reconfigured(config, self._instances.group_of(token)))
                    self._expect(runtime)
            case Begin(token, config):
                runtime = self._made(token, config)
                runtime.teller.revision, runtime.teller.trace = configuration.revision, command.trace

    def _made(self, token: str, config: VrrpInstance) -> Runtime:
        place = (_heard_on(config), config.family)
        wire = self._wires.get(place)
        if wire is None:
            wire = self._wires[place] = Wire(*place, self._poller)
        runtime = Runtime(
            config,
            group=self._instances.group_of(token),
            slot=self._heartbeat.slot(config),
            wire=wire,
            hands=self._hands,
            teller=Teller(config, self._outbox, self._tell),
        )
        self._instances.put(runtime)
        self._expect(runtime)
        return runtime

    def _expect(self, runtime: Runtime) -> None:
        """Have the wire know what is meant for an instance."""

        def heard(advertisement: Advertisement) -> None:
            runtime.teller.count(runtime.state, advertisement)
            if runtime.started:
                self._instances.tell(runtime, AdvertisementReceived(advertisement))

        expected = Expected.of(runtime.config, self._secrets)
        runtime.problem = expected.problem
        runtime.wire.log_unknown_vrids = self._log_unknown_vrids
        runtime.wire.expect(runtime.token, expected, heard)

    def dismiss(self, runtime: Runtime) -> None:
        """Let go of an instance that is over."""
        config = runtime.config
        self._instances.remove(runtime)
        if runtime.wire.dismiss(runtime.token):
            self._wires.pop((_heard_on(config), config.family), None)
        if runtime.forgotten:
            self._heartbeat.release(config)


def _heard_on(config: VrrpInstance) -> str:
    """Name the device that an instance hears on.

    The other router has the same virtual MAC: what comes from it the kernel gives to the device of that MAC
    alone, and not to the interface below. What is sent to the interface's own address stays there.
    """
    virtual = config.virtual_mac
    unicast = bool(config.unicast_peers) or config.unicast_fault_no_peer
    return config.interface if virtual is None or virtual.kind != "macvlan" or unicast else virtual.name
