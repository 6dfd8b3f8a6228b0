"""``bind`` lines as where a proxy listens."""

from __future__ import annotations

from typing import Any, Final

from config_service.haproxy.bases import Bases
from config_service.haproxy.body import Body
from config_service.haproxy.sections import Line
from config_service.haproxy.values import binds
from config_service.problems import quoted

_ALONE: Final = (
    "ssl",
    "accept-proxy",
    "transparent",
    "strict-sni",
    "v4v6",
    "no-sslv3",
    "no-tlsv10",
    "no-tlsv11",
)
_VALUED: Final = ("crt", "alpn", "ssl-min-ver", "ca-file", "verify", "name")
_VERSIONS: Final = {"TLSv1.0": "1.2", "TLSv1.1": "1.2", "TLSv1.2": "1.2", "TLSv1.3": "1.3"}


def bind(line: Line, body: Body, bases: Bases) -> list[dict[str, Any]] | None:
    """Read a line; None: the model has no such thing, and the line goes into the snippet as it is."""
    if line.variable or not line.texts:
        return None
    where, *words = line.texts
    places = binds(where)
    if places is None:
        return None
    said: dict[str, str] = {}
    rest = iter(words)
    for each in rest:
        if each in _ALONE:
            said[each] = ""
        elif each in _VALUED and each not in said:
            said[each] = next(rest, "")
        else:
            return None
    tls: dict[str, Any] | None = None
    if "ssl" in said:
        if not bases.certificate(said.get("crt", "/")).startswith("/"):
            body.warn(
                line,
                f"{quoted(said['crt'])} is no absolute path, and HAProxy runs elsewhere; write all of it",
            )
        tls = _tls(said, bases)
        if tls is None:
            return None
        if said.get("ssl-min-ver") in ("TLSv1.0", "TLSv1.1"):
            body.warn(line, "clients need TLS 1.2 at least here")
    return [
        {
            "address": address,
            "port": port,
            **({"accept_proxy": True} if "accept-proxy" in said else {}),
            **({"tls": tls} if tls is not None else {}),
        }
        for address, port in places
    ]


def _tls(said: dict[str, str], bases: Bases) -> dict[str, Any] | None:
    crt = said.get("crt", "")
    found: dict[str, Any] = {
        "certificates": bases.certificate(crt).rstrip("/"),
        "strict_sni": "strict-sni" in said,
        "minimum": _VERSIONS.get(said.get("ssl-min-ver", "TLSv1.2")),
        "http2": "h2" in said.get("alpn", "").split(","),
    }
    if not crt or found["minimum"] is None or not found["certificates"].startswith("/"):
        return None
    if "verify" in said and said["verify"] != "none":
        ca = said.get("ca-file", "")
        found["client_ca"] = bases.authority(ca)
        found["client_optional"] = said["verify"] == "optional"
        if not ca:
            return None
    return found
