"""Write a real server of a report, of either tier."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ctl.layout import INDENT, row, wrapped
from ctl.report import RealServerReport, Report
from ctl.words import OPERATED, endpoint, since


def server_lines(
    found: RealServerReport, report: Report, weights: Sequence[str], slow: Sequence[str] = ()
) -> Iterator[str]:
    """Write one: ``weights`` are what it has and where, ``slow`` what it has of them in a slow start."""
    verdict = found.verdict if found.verdict == "up" else found.verdict.upper()
    when = f", since {since(found.since, report.time)}" if found.since else ""
    weight = f", weight {', '.join(weights)}" if weights else ", in no table"
    yield from row(f"  {endpoint(found.address, found.port)}", f"{verdict}{weight}{when}: {found.cause}")
    for line in _more(found, report, slow):
        yield from wrapped(line, INDENT, INDENT + 2)


def _more(found: RealServerReport, report: Report, slow: Sequence[str]) -> Iterator[str]:
    """Say what else there is to say of a real server: who took it out, where its weight is from."""
    if found.operator is not None:
        said = found.operator
        why = f": {said.why}" if said.why else ""
        yield f"{OPERATED[said.state].upper()} by {said.by}, since {since(said.since, report.time)}{why}"
    if found.checks_weight is not None or found.weight_added:
        base, configured = found.weight, ""
        if found.checks_weight is not None:
            base, configured = found.checks_weight, f" ({found.weight} is configured)"
        added = f" {'+' if found.weight_added > 0 else '-'} {abs(found.weight_added)}"
        yield f"weight by its checks: {base}{added if found.weight_added else ''}{configured}"
    if slow:
        yield f"slow start: {', '.join(slow)}"
    if found.minority:
        votes = "; ".join(f"{each.prober} says {each.verdict}: {each.cause}" for each in found.minority)
        yield f"{found.voters - len(found.minority)} of {found.voters} say {found.verdict}; {votes}"
    if found.damped:
        yield "DAMPED: its checks succeed, and it is kept down for flapping"
    if found.warning:
        yield f"WARNING: {found.warning}"
