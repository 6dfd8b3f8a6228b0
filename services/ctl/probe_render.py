"""Write what a probe found for people: attempts, their steps with times, and the verdict that stands."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from ctl.layout import paint, wrapped
from ctl.words import count, from_token, since
from vipbus.contracts import ProbeAttempt, ProbeReport, Verdict

HERE = "here"


def render(
    reports: Sequence[ProbeReport],
    where: str,
    verdicts: Mapping[str, Verdict] | None,
    now: datetime,
    *,
    colour: bool = False,
) -> str:
    """Write the reports of a virtual server's pool.

    ``verdicts`` that stand are by real server's token; None: nobody knows them, and nothing is said of them.
    """
    lines: list[str] = []
    for number, report in enumerate(reports):
        lines += (
            ["", *_report(report, where, verdicts, now)] if number else _report(report, where, verdicts, now)
        )
    painted = [paint(line) for line in lines] if colour else lines
    return "\n".join(painted) + "\n"


def _report(
    report: ProbeReport, where: str, verdicts: Mapping[str, Verdict] | None, now: datetime
) -> Iterator[str]:
    if report.prober != HERE:
        yield from wrapped(f"from {report.prober}", 0, 2)
    for real_server, group in itertools.groupby(report.attempts, key=lambda attempt: attempt.real_server):
        standing = "" if verdicts is None else _standing(verdicts.get(real_server), now)
        yield from _real_server(real_server, tuple(group), where, standing)
    if len(report.attempts) != 1 or report.left_out:
        yield from wrapped(_sum(report), 0, 2)


def _real_server(
    real_server: str, attempts: Sequence[ProbeAttempt], where: str, standing: str
) -> Iterator[str]:
    for attempt in attempts:
        yield from wrapped(f"{from_token(real_server)} of {where}   {attempt.kind} {attempt.where}", 0, 2)
        for step in attempt.steps:
            yield from wrapped(f"{_time(step.at):>10}  {step.what}", 0, 12)
        ending = _ending(attempt)
        yield from wrapped(f"{ending}; {standing}" if standing and len(attempts) == 1 else ending, 2, 4)
        if attempt.warning:
            yield from wrapped(f"warning: {attempt.warning}", 2, 4)
    if standing and len(attempts) > 1:
        yield from wrapped(standing, 2, 4)


def _ending(attempt: ProbeAttempt) -> str:
    match attempt.result:
        case "success":
            weight = f", weight {attempt.weight}" if attempt.weight is not None else ""
            added = f", {attempt.weight_added:+d} to the weight" if attempt.weight_added else ""
            return f"up: {attempt.cause}{weight}{added}"
        case "failure":
            return f"DOWN: {attempt.cause}, in {_time(attempt.seconds)}"
        case "local":
            return f"NOT TRIED: {attempt.cause}"


def _standing(verdict: Verdict | None, now: datetime) -> str:
    if verdict is None:
        return "no verdict stands"
    return f"the verdict that stands is {verdict.verdict} since {since(verdict.since, now)}: {verdict.cause}"


def _sum(report: ProbeReport) -> str:
    found = [attempt.result for attempt in report.attempts]
    parts = [f"{count(len(found), 'check')} tried"] if found else []
    parts += [
        f"{found.count(result)} {words}"
        for result, words in (("success", "succeeded"), ("failure", "FAILED"), ("local", "NOT TRIED"))
        if result in found
    ]
    if report.left_out:
        parts.append(
            f"{report.left_out} LEFT OUT for want of time or of room in the answer: name one real server"
        )
    return ", ".join(parts) or "nothing was tried"


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 10 else f"{seconds:.4g} s"
