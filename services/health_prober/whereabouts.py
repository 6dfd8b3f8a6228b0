"""Where a check goes, as people write it: told beside what came of it."""

from __future__ import annotations

from collections.abc import Iterator

from health_prober.targets import place
from vipbus.contracts import (
    Check,
    DnsCheck,
    FileCheck,
    GrpcCheck,
    HttpCheck,
    PingCheck,
    ScriptCheck,
)
from vipbus.telemetry.logs import plain

_LONGEST = 200
"""Characters; a path may have thousands."""


def whereabouts(check: Check) -> str:
    """Name the target of a check: ``10.9.0.21:80``, ``http://10.9.0.21:80/health``, a program, a file.

    What may hold a secret is left out: the query of a path, the arguments of a program.
    """
    return plain(" ".join((_target(check), *_steering(check))))[:_LONGEST]


def _target(check: Check) -> str:
    where = place(check.address, check.port)
    match check:
        case HttpCheck():
            return _url(check, where)
        case DnsCheck():
            return f"{where} {check.type} {check.name}"
        case GrpcCheck() if check.service:
            return f"{where} {check.service}"
        case PingCheck():
            return check.address
        case ScriptCheck():
            return check.program.arguments[0] if check.program.arguments else "no program"
        case FileCheck():
            return check.path
    return where


def _url(check: HttpCheck, where: str) -> str:
    scheme = "http" if check.tls is None else "https"
    if not check.requests:
        return f"{scheme}://{where}"
    first, *more = check.requests
    path, question, _ = first.path.partition("?")
    url = f"{scheme}://{where}{path}" + ("?..." if question else "")
    return f"{url} and {len(more)} more" if more else url


def _steering(check: Check) -> Iterator[str]:
    """Say what may make the check take another way than this host's other traffic."""
    if isinstance(check, ScriptCheck | FileCheck):
        return
    if check.source is not None or check.source_port:
        port = f" port {check.source_port}" if check.source_port else ""
        yield f"from {check.source or 'any address'}{port}"
    if check.interface is not None:
        yield f"by {check.interface}"
    if check.mark:
        yield f"with mark {check.mark}"
