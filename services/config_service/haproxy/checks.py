"""``option httpchk`` and its kin as checks of health-prober (configuration.txt, ``http-check``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from config_service.haproxy.bases import Bases
from config_service.haproxy.body import Body
from config_service.haproxy.guards import SECRET
from config_service.haproxy.sections import Line
from config_service.haproxy.servers import Server
from config_service.haproxy.values import ip, number, seconds
from config_service.problems import RefusedError
from vipbus.contracts import Check

_GOOD: Final = [{"first": 200, "last": 399}]
_STATUS: Final = re.compile(r"([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?")
_CLASS: Final = re.compile(
    r"\^?[(\[]?([1-5|]+)[)\]]?(?:\[0-9\]\[0-9\]|\\d\\d|\.\.|\[0-9\]\{2\}|\\d\{2\}|[.*]*)?\$?"
)
_KINDS: Final = ("httpchk", "tcp-check", "smtpchk", "redis-check", "ssl-hello-chk")
_CONNECTS: Final = ("mysql-check", "pgsql-check", "ldap-check", "external-check", "spop-check")
Make = Callable[[Server], Check | None]


def checks(body: Body, bases: Bases) -> Make:
    """Read how servers are checked; what is returned makes the check of one."""
    chosen = [
        each
        for each in body.every(*(f"option {kind}" for kind in (*_KINDS, *_CONNECTS)))
        if not each.modifier
    ]
    own = [each for each in chosen if body.own(each)]
    line = [*chosen, *own][-1] if chosen else None
    kind = line.words[1].text if line is not None else ""
    within = body.value("timeout check", seconds)
    connection: dict[str, Any] = {}
    made: dict[str, Any] = {"kind": "tcp"}
    http = _of(body, "http-check send", "http-check expect", "http-check connect")
    tcp = _of(body, "tcp-check connect", "tcp-check send", "tcp-check send-binary", "tcp-check expect")
    body.every("http-check comment", "tcp-check comment")
    if line is not None and kind == "httpchk":
        made = {"kind": "http", **_http(body, line, http, connection)}
    elif line is not None and kind == "tcp-check":
        made["exchanges"] = _exchanges(body, tcp, connection)
    elif line is not None and kind == "smtpchk":
        made = {"kind": "smtp", **({"helo_name": line.texts[1]} if len(line.texts) > 1 else {})}
    elif kind == "redis-check":
        made["exchanges"] = [{"send": "*1\r\n$4\r\nPING\r\n", "expect": "+PONG"}]
    elif kind == "ssl-hello-chk":
        connection["ssl"] = ""
    elif line is not None and kind in _CONNECTS:
        body.warn(line, f"option {kind} is a connect here: health-prober does not speak it")
    return lambda server: _made(body, server, made, _Around(connection, within, bases))


def _of(body: Body, *keywords: str) -> list[Line]:
    """Give the lines of a sequence: one of the section's own replaces what it inherits."""
    every = body.every(*keywords)
    own = [each for each in every if body.own(each)]
    return own or every


class _Around(NamedTuple):
    """What is said of the checks of all servers."""

    connection: dict[str, Any]
    within: float | None
    bases: Bases


def _made(body: Body, server: Server, made: dict[str, Any], around: _Around) -> Check | None:
    connection, within = around.connection, around.within
    options = server.options
    if "check" not in options or "no-check" in options:
        return None
    try:
        every = seconds(options.get("inter", "2s"))
        said: dict[str, Any] = {
            "address": ip(options["addr"]) if "addr" in options else server.address,
            "port": number(options.get("port") or connection.get("port") or str(server.port), 1, 65535),
            "interval": every,
            "timeout": every if within is None else within,
            "retry": 0,
            "rise": number(options.get("rise", "2"), 1, 2**16),
            "fall": number(options.get("fall", "3"), 1, 2**16),
            **made,
        }
        by_tls = (
            "ssl" in options or "check-ssl" in options or "ssl" in connection
        ) and "no-check-ssl" not in options
        if by_tls and ("port" not in options or "check-ssl" in options or "ssl" in connection):
            said = _by_tls(body, server, said, around)
        check: Check = msgspec.convert(said, Check)
    except (RefusedError, msgspec.ValidationError) as error:
        body.error(server.line, f"the check of {server.name}: {error}")
        return None
    return check


def _by_tls(body: Body, server: Server, said: dict[str, Any], around: _Around) -> dict[str, Any]:
    options = server.options
    tls: dict[str, Any] = {"verify": options.get("verify") == "required" and "verifyhost" in options}
    if name := options.get("check-sni") or around.connection.get("sni") or options.get("verifyhost"):
        tls["server_name"] = name
    if tls["verify"] and options.get("ca-file", "@system-ca") != "@system-ca":
        tls["ca_file"] = around.bases.authority(options["ca-file"])
    if said["kind"] == "tcp":
        if said.pop("exchanges", None):
            body.warn(
                server.line, f"the check of {server.name} is a TLS handshake: an exchange is of tcp alone"
            )
        return {**said, "kind": "tls", "tls": tls}
    if said["kind"] == "smtp":
        return {**said, "security": "tls", "tls": tls}
    return {**said, "tls": tls}


def _http(body: Body, line: Line, lines: Sequence[Line], connection: dict[str, Any]) -> dict[str, Any]:
    words = list(line.texts)
    base: dict[str, Any] = {"method": "OPTIONS", "path": "/", "status": _GOOD}
    version = "1.0"
    if len(words) == 1:
        base["path"] = words[0]
    elif words:
        base["method"], base["path"] = words[0], words[1]
    if len(words) > 2:
        first, *fields = words[2].split("\r\n")
        version = first.removeprefix("HTTP/") or version
        _headers(body, line, base, [each.partition(":")[::2] for each in fields if ":" in each])
    requests: list[dict[str, Any]] = []
    current, expected = base, False
    for each in lines:
        if each.keyword == "http-check connect":
            _connected(body, each, connection)
        elif each.keyword == "http-check send":
            if expected:
                requests.append(current)
                current, expected = {"method": "GET", "path": "/", "status": _GOOD}, False
            version = _sent(body, each, current, version)
        else:
            _expected(body, each, current)
            expected = True
    requests.append(current)
    if version not in ("1.0", "1.1", "2"):
        version = "2" if version == "2.0" else "1.1"
    return {"requests": requests, "version": version}


def _sent(body: Body, line: Line, request: dict[str, Any], version: str) -> str:
    words = list(line.texts)
    fields: list[tuple[str, str]] = []
    while words:
        key = words.pop(0)
        if key == "hdr" and len(words) > 1:
            fields.append((words.pop(0), words.pop(0)))
        elif key in ("meth", "uri", "ver", "body") and words:
            value = words.pop(0)
            if key == "ver":
                version = value.removeprefix("HTTP/")
            else:
                request[{"meth": "method", "uri": "path", "body": "body"}[key]] = value
        else:
            body.warn(line, f"{key} is left out: health-prober's requests have no such thing")
            break
    _headers(body, line, request, fields)
    return version


def _headers(body: Body, line: Line, request: dict[str, Any], fields: Sequence[tuple[str, ...]]) -> None:
    for name, value in fields:
        if name.strip().lower() == "host":
            request["host"] = value.strip()
        elif SECRET.search(name):
            body.warn(line, "a header is left out: a password would stand in a document")
        elif name.strip().lower() not in ("connection", "content-length"):
            request["headers"] = [*request.get("headers", ()), {"name": name.strip(), "value": value.strip()}]


def _expected(body: Body, line: Line, request: dict[str, Any]) -> None:
    words = [each for each in line.texts if not each.startswith(("min-recv", "comment"))]
    negated = words[:1] == ["!"]
    kind, value = (words[negated], " ".join(words[negated + 1 :])) if len(words) > negated + 1 else ("", "")
    ranges = _ranges(kind, value)
    if ranges is not None and not negated:
        request["status"] = ranges
    elif kind in ("string", "rstring"):
        regex = re.escape(value) if kind == "string" else value
        request.update({"regex": regex, "status": [], **({"regex_no_match": True} if negated else {})})
    else:
        body.warn(line, f"http-check expect {kind} is left out: a status from 200 to 399 is expected instead")


def _ranges(kind: str, value: str) -> list[dict[str, int]] | None:
    if kind == "rstatus":
        found = _CLASS.fullmatch(value)
        classes = sorted(set(found[1].replace("|", ""))) if found is not None else []
        return [{"first": int(each) * 100, "last": int(each) * 100 + 99} for each in classes] or None
    if kind != "status":
        return None
    made: list[dict[str, int]] = []
    for each in re.split(r"[, ]+", value):
        found = _STATUS.fullmatch(each)
        if found is None:
            return None
        made.append({"first": int(found[1]), "last": int(found[2] or found[1])})
    return made


def _connected(body: Body, line: Line, connection: dict[str, Any]) -> None:
    words = list(line.texts)
    while words:
        key = words.pop(0)
        if key == "ssl":
            connection["ssl"] = ""
        elif key in ("port", "sni", "alpn", "proto", "addr", "comment") and words:
            connection[key] = words.pop(0)
        elif key not in ("default", "linger", "send-proxy", "via-socks4"):
            body.warn(line, f"{key} is left out: health-prober's checks have no such thing")


def _exchanges(body: Body, lines: Sequence[Line], connection: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    connects = 0
    for line in lines:
        words = list(line.texts)
        if line.keyword == "tcp-check connect":
            connects += 1
            if connects > 1:
                body.warn(line, "it is left out with what follows: a check connects once; add another check")
                break
            _connected(body, line, connection)
        elif line.keyword != "tcp-check expect":
            if re.match(r"(?i)(?:\*2\r\n\$4\r\n)?auth\b", words[0] if words else ""):
                body.warn(line, "the exchanges are left out: a password would stand in a document")
                return []
            key = "send" if line.keyword == "tcp-check send" else "send_octets"
            found.append({key: words[0] if words else ""})
        elif len(words) > 1 and words[0] in ("string", "rstring"):
            if not found or "expect" in found[-1] or "expect_regex" in found[-1]:
                found.append({})
            found[-1]["expect" if words[0] == "string" else "expect_regex"] = " ".join(words[1:])
        else:
            body.warn(
                line,
                f"tcp-check expect {words[0] if words else ''} is left out: string and rstring are known",
            )
    return found
