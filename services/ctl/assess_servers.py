"""What there is to say of a real server, of either tier."""

from __future__ import annotations

from ctl.report import OperatorReport, RealServerReport
from vipbus.contracts import OperatorState, RealServer, Verdict


def real_server_report(
    real_server: RealServer, verdict: Verdict | None, said: OperatorState | None
) -> RealServerReport:
    """Put together what is configured, what the prober says and what an operator said."""
    operator = None
    if said is not None:
        operator = OperatorReport(state=said.state, by=said.by, since=said.since, why=said.why)
    if not real_server.checks:
        return RealServerReport(
            address=real_server.address,
            port=real_server.port,
            weight=real_server.weight,
            checked=False,
            verdict="up",
            cause="no check is configured",
            operator=operator,
        )
    if verdict is None:
        return RealServerReport(
            address=real_server.address,
            port=real_server.port,
            weight=real_server.weight,
            checked=True,
            verdict="unknown",
            cause="no verdict yet",
            operator=operator,
        )
    return RealServerReport(
        address=real_server.address,
        port=real_server.port,
        weight=real_server.weight,
        checked=True,
        verdict=verdict.verdict,
        cause=verdict.cause,
        since=verdict.since,
        checks_weight=verdict.weight,
        weight_added=verdict.weight_added,
        warning=verdict.warning,
        voters=verdict.voters,
        minority=verdict.minority,
        damped=verdict.damped,
        operator=operator,
    )
