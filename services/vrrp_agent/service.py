"""The agent's life: listen first, from what was saved; everything that takes time comes after."""

from __future__ import annotations

import logging
import signal
import sys

import msgspec

from vipbus.runtime import secrets
from vipbus.runtime.life import FatalError
from vipbus.runtime.privileges import Capability, lay_aside, missing
from vipbus.runtime.readiness import Readiness
from vipbus.runtime.settings import Settings, default_router
from vipbus.telemetry import logs
from vrrp_agent import realtime, saved, writing
from vrrp_agent.agent import Agent
from vrrp_agent.bridge import Bridge
from vrrp_agent.exchange import Command, Configure, Leave, Mailbox
from vrrp_agent.heartbeat import Heartbeat, InUseError
from vrrp_agent.side import Side

log = logging.getLogger(__name__)

_EXIT_FAILED = 1


def run(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; return the exit status."""
    settings = msgspec.structs.replace(settings, router=settings.router or default_router())
    logs.configure("vrrp-agent", settings.router, settings.log)
    try:
        _run(settings)
    except FatalError as error:
        log.error("%s", error)  # noqa: TRY400  # the line is the message
        return error.status
    finally:
        sys.stderr.flush()
    return 0


def _run(settings: Settings) -> None:
    router = settings.router
    assert router is not None  # noqa: S101  # given a default by the only caller
    _require_privileges()
    lay_aside((Capability.CHOWN, Capability.KILL, Capability.SETUID, Capability.SETGID))
    realtime.prepare()
    readiness = Readiness("vrrp-agent", router, waits_for=("configuration",))
    inbox: Mailbox[Command] = Mailbox()
    heartbeat = _heartbeat(settings)
    before = saved.load(settings.state_dir, router)
    writes = before is not None and writing.needed(before)
    bridge = Bridge(settings=settings, router=router, readiness=readiness, inbox=inbox, writes=writes)
    side = Side(router=router, seen=inbox.put, problem=readiness.problem)
    agent = Agent(
        router=router,
        heartbeat=heartbeat,
        inbox=inbox,
        outbox=bridge.outbox,
        readiness=readiness,
        side=side,
        bus_connected=lambda: bridge.connected,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: inbox.put(Leave()))
    if before is not None:
        agent.configure(Configure(configuration=before, secrets=secrets.load(settings.state_dir)))
    bridge.start()
    try:
        agent.run()
        side.finish()
    finally:
        bridge.finish()


def _require_privileges() -> None:
    if missing((Capability.NET_RAW, Capability.NET_ADMIN)):
        raise FatalError(
            "vrrp-agent needs CAP_NET_RAW and CAP_NET_ADMIN: run it as root, or give it both "
            "(systemd: AmbientCapabilities=, docker: --cap-add)"
        )


def _heartbeat(settings: Settings) -> Heartbeat:
    try:
        settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Heartbeat(settings.state_dir)
    except InUseError as error:
        raise FatalError(f"{error}; stop it or choose another --state-dir", _EXIT_FAILED) from None
    except OSError as error:
        raise FatalError(
            f"the state directory {settings.state_dir} is not usable ({error.strerror}); choose another"
        ) from None
