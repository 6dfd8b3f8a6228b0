"""A backend, or the other half of a listen, as a pool with its real servers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from config_service.haproxy.bases import Bases
from config_service.haproxy.body import Body
from config_service.haproxy.checks import Make, checks
from config_service.haproxy.keywords import BACK
from config_service.haproxy.persistence import persistence
from config_service.haproxy.sections import Line
from config_service.haproxy.servers import Server, same, servers
from config_service.haproxy.values import number, seconds, waiting
from config_service.problems import RefusedError
from vipbus.contracts import ProxyPool, RealServer, pool_token

Made = tuple[ProxyPool, list[RealServer]]
_ALGORITHMS: Final = ("roundrobin", "static-rr", "leastconn", "first", "source", "uri", "random")
_VERSIONS: Final = {"TLSv1.2": "1.2", "TLSv1.3": "1.3"}
_RULES: Final = ("http-request", "http-response", "http-after-response", "redirect")


def pool(body: Body, said: dict[str, Any], bases: Bases) -> list[Made]:
    """Read a pool, and the one of its backup servers; ``said`` is what is known of it already."""
    name = body.section.name
    every = servers(body)
    check_of = checks(body, bases)
    backups = [each for each in every if "backup" in each.options and "no-backup" not in each.options]
    first = [each for each in every if each not in backups] or every
    if first is every:
        backups = []
    whole: dict[str, Any] = {**said, "mode": body.mode, "timeouts": _timeouts(body)}
    retries = body.value("retries", lambda text: number(text, 0, 100))
    if retries is not None:
        whole["retries"] = retries
    body.every("option redispatch")
    whole |= _of_servers(body, first, bases)
    whole["balance"] = _balance(body, whole)
    whole["persistence"] = persistence(body)
    if body.section.kind == "backend":
        for keyword in (*_RULES, "option forwardfor"):
            for line in body.every(keyword):
                if body.own(line):
                    body.raw(line, BACK)
    wanted = [({**whole, "name": name}, first)]
    every_line = body.every("option allbackups")
    if backups:
        other = f"{name}-backup"
        wanted = [({**whole, "name": name, "fallback": other}, first), ({**whole, "name": other}, backups)]
        if len(backups) > 1 and not (every_line and not every_line[-1].modifier):
            body.warn(backups[1].line, "all backup servers serve together, as with option allbackups")
    return [made for given, its in wanted if (made := _made(body, given, its, check_of)) is not None]


def _made(body: Body, whole: dict[str, Any], every: Sequence[Server], check_of: Make) -> Made | None:
    try:
        pool: ProxyPool = msgspec.convert(
            {key: value for key, value in whole.items() if value is not None}, ProxyPool
        )
    except msgspec.ValidationError as error:
        body.notes.error(body.section.number, 1, f"{body.section.kind} {body.section.name}: {error}")
        return None
    return pool, [_real(body, pool, each, check_of) for each in every]


def _real(body: Body, pool: ProxyPool, server: Server, check_of: Make) -> RealServer:
    weight = 1
    try:
        weight = number(server.options.get("weight", "1"), 0, 256)
    except RefusedError as error:
        body.error(server.line, f"the weight of {server.name}: {error}")
    if "disabled" in server.options and "enabled" not in server.options:
        body.warn(
            server.line, f"server {server.name} is disabled: here its weight is 0; vipbus disable says it too"
        )
        weight = 0
    check = check_of(server)
    return RealServer(
        router=pool.router,
        virtual_server=pool_token(pool.name),
        address=server.address,
        port=server.port,
        weight=weight,
        checks=(check,) if check is not None else (),
    )


def _timeouts(body: Body) -> dict[str, float]:
    connect = body.value("timeout connect", waiting)
    server = body.value("timeout server", waiting)
    client = body.value("timeout client", waiting)
    queue = body.value("timeout queue", waiting)
    tunnel = body.value("timeout tunnel", waiting)
    said = {
        "connect": connect,
        "server": server,
        # what HAProxy takes where these are not said (configuration.txt, timeout queue and timeout tunnel)
        "queue": connect if queue is None else queue,
        "tunnel": max(filter(None, (server, client)), default=None) if tunnel is None else tunnel,
    }
    if server is None:
        body.notes.warn(body.section.number, f"{body.section.name} has no timeout server: here it is 50 s")
    return {key: value for key, value in said.items() if value is not None}


def _balance(body: Body, whole: dict[str, Any]) -> dict[str, Any]:
    line = body.last("balance")
    said: dict[str, Any] = {"algorithm": "roundrobin"}
    if line is not None:
        found = _algorithm(line)
        if found is None or (body.mode == "tcp" and found["algorithm"] in ("uri", "url-param", "header")):
            body.raw(line)
        elif found["algorithm"] == "first" and not whole.get("max_connections"):
            body.warn(line, "balance first is left out: it needs a maxconn of its servers")
        else:
            said = found
    kind = body.last("hash-type")
    if kind is not None:
        if kind.texts == ("consistent",) and said["algorithm"] in (
            "source",
            "uri",
            "url-param",
            "header",
            "rdp-cookie",
        ):
            said["hash"] = "consistent"
        elif kind.texts != ("map-based",):
            body.raw(kind)
    if whole.get("slow_start") and said["algorithm"] not in ("roundrobin", "leastconn", "random"):
        whole.pop("slow_start")
        if line is not None:
            body.warn(
                line, f"slowstart is left out: it changes weights, and {said['algorithm']} here takes none"
            )
    return said


def _algorithm(line: Line) -> dict[str, Any] | None:
    if len(line.texts) == 1 and not line.variable:
        (word,) = line.texts
        if word in _ALGORITHMS:
            return {"algorithm": word}
        name, bracket, parameter = word.partition("(")
        kinds = {"hdr": "header", "rdp-cookie": "rdp-cookie"}
        if bracket and name in kinds and parameter.endswith(")"):
            return {"algorithm": kinds[name], "parameter": parameter[:-1]}
        if word == "rdp-cookie":
            return {"algorithm": "rdp-cookie", "parameter": "mstshash"}
    if len(line.texts) == 2 and line.texts[0] == "url_param":
        return {"algorithm": "url-param", "parameter": line.texts[1]}
    return None


def _of_servers(body: Body, every: Sequence[Server], bases: Bases) -> dict[str, Any]:
    if not every:
        return {}
    line = every[0].line
    said: dict[str, Any] = {}
    try:
        if (most := same(body, every, "maxconn")) is not None and number(most):
            said["max_connections"] = number(most)
        if (slow := same(body, every, "slowstart")) is not None:
            said["slow_start"] = seconds(slow)
    except RefusedError as error:
        body.error(line, str(error))
    for key, version in (("send-proxy", "v1"), ("send-proxy-v2", "v2")):
        if same(body, every, key) is not None:
            said["send_proxy"] = version
    if same(body, every, "ssl") is not None:
        said["tls"] = _tls(body, every, bases)
    return said


def _tls(body: Body, every: Sequence[Server], bases: Bases) -> dict[str, Any] | None:
    """Read TLS of the servers; None: it is what the pool's own cannot say, and a line of the snippet."""
    keys = ("verify", "verifyhost", "sni", "ca-file", "crt", "ssl-min-ver", "alpn", "proto")
    said = {key: value for key in keys if (value := same(body, every, key)) is not None}
    found: dict[str, Any] = {"verify": said.get("verify") != "none"}
    name = said.get("verifyhost")
    sni = said.get("sni", "")
    if sni.startswith("str(") and sni.endswith(")"):
        name = name or sni[4:-1]
    if name is not None:
        found["name"] = name.lower()
    if "ca-file" in said and said["ca-file"] != "@system-ca":
        found["ca"] = bases.authority(said["ca-file"])
    if "crt" in said:
        found["certificate"] = bases.certificate(said["crt"])
    if not found["verify"]:
        found.pop("ca", None)
    found["minimum"] = _VERSIONS.get(said.get("ssl-min-ver", ""), "1.2")
    found["http2"] = "h2" in said.get("alpn", "").split(",") or said.get("proto") == "h2"
    dynamic = bool(sni) and not sni.startswith("str(")
    if dynamic or (found["verify"] and name is None):
        line = every[0].line
        words = ["ssl", *(f"{key} {value}" for key, value in said.items())]
        body.raw(line, BACK, "default-server " + " ".join(words))
        return None
    return found
