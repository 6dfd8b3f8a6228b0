"""One takeover is one trace: from the silence that began it to the addresses that ended it."""

from __future__ import annotations

from contextlib import ExitStack

import msgspec

from vipbus.contracts import RoleName, name_token
from vipbus.telemetry import trace
from vipbus.telemetry.trace import Span, TraceContext
from vrrp_agent.exchange import RoleReport, TakeoverReport

_TEMPLATE = "vipbus.state.role"
_NAMES: dict[RoleName, str] = {
    "active": "take over",
    "backup": "become backup",
    "fault": "enter fault",
    "stopped": "leave",
}


class _Open(msgspec.Struct, frozen=True):
    epoch: int
    span: Span
    closing: ExitStack


class Takeovers:
    """The takeovers that are under way, each with its open span."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}

    def role_changed(self, report: RoleReport) -> TraceContext:
        """Trace a role change; return the context that its write carries."""
        token = name_token(report.config.name)
        attributes: dict[str, str | int | float | bool] = {
            "vipbus.instance": report.config.name,
            "vipbus.role": report.role,
            "vipbus.epoch": report.epoch,
            "vipbus.cause": report.cause,
        }
        cause = report.parent
        if report.changed:
            self._abandon(token)
            if report.role == "active":
                closing = ExitStack()
                span = closing.enter_context(
                    trace.span(
                        _NAMES["active"], parent=cause, start_ns=report.started_ns, attributes=attributes
                    )
                )
                self._open[token] = _Open(report.epoch, span, closing)
                cause = span.context
            else:
                cause = trace.record(
                    _NAMES[report.role], parent=cause, start_ns=report.started_ns, attributes=attributes
                )
        return trace.record(
            f"publish {_TEMPLATE}",
            parent=cause,
            kind="producer",
            attributes={
                "messaging.system": "nats",
                "messaging.destination.template": _TEMPLATE,
                **attributes,
            },
        )

    def completed(self, report: TakeoverReport) -> None:
        """End a takeover: the addresses are there."""
        opened = self._open.pop(report.instance, None)
        if opened is None or opened.epoch != report.epoch:
            return
        trace.record(
            "add addresses",
            parent=opened.span.context,
            links=(report.table,) if report.table else (),
            start_ns=report.began_ns,
            end_ns=report.ended_ns,
            attributes={"vipbus.arm.outcome": report.outcome},
            error=report.problem,
        )
        opened.span.attributes["vipbus.arm.outcome"] = report.outcome
        opened.closing.close()

    def abandon(self) -> None:
        """End every takeover that is under way: there will be no more of it."""
        for token in list(self._open):
            self._abandon(token)

    def _abandon(self, token: str) -> None:
        opened = self._open.pop(token, None)
        if opened is not None:
            opened.span.error = "superseded before the addresses were added"
            opened.closing.close()
