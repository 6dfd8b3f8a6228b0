"""HTTP_GET and SSL_GET: URLs that must all do (keepalived.conf(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Final, Literal, cast

import msgspec

from config_service.keepalived import fields, values
from config_service.keepalived.checkers.common import KNOBS, VIRTUAL_HOST, CheckerDraft, Site, host_name
from config_service.keepalived.checkers.url import URL, UrlDraft
from config_service.keepalived.parser import Statement
from config_service.keepalived.schema import Keyword, Table, declare, read_block, within
from config_service.report import Report
from vipbus.contracts import Check, Header, HttpCheck, Tls

_VERSIONS: Final = ("1.0", "1.0C", "1.0K", "1.1", "1.1K")
"""C: with ``Connection: close``, which vipbus always sends; K, newer than 2.2.7: with ``keep-alive``."""
_KEEP_ALIVE: Final = (Header(name="Connection", value="keep-alive"),)
_IP: Final = re.compile(r"\[.*\]|[0-9.]+")


class HttpDraft(CheckerDraft):
    """What one ``HTTP_GET`` or ``SSL_GET`` says."""

    __slots__ = ("fast_recovery", "http_protocol", "sends_sni", "sni_name", "urls")

    delay_before_retry: ClassVar[float | None] = 3.0
    speaks_tcp: ClassVar[bool] = True
    encrypted: ClassVar[bool] = False

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.http_protocol = "1.0"
        self.fast_recovery = False
        self.sends_sni = False
        self.sni_name: str | None = None
        self.urls: list[UrlDraft] = []

    def checks(self, site: Site, report: Report) -> tuple[Check, ...]:
        """Make the checks: one, or one for each name that the handshake needs."""
        if "url" not in self.given:
            report.error(
                self.statement.file, self.statement.line, f"{self.statement.keyword} has no url; add one"
            )
        if not self.encrypted:
            for keyword in (*(("enable_sni",) if self.sends_sni else ()), "sni_name"):
                self.void(keyword, "HTTP_GET does not speak TLS; use SSL_GET", report)
        headers = _KEEP_ALIVE if self.http_protocol.endswith("K") else ()
        host = self.virtual_host(site)
        requests = [url.request(host, headers, report) for url in self.urls]
        check = self.steered(
            HttpCheck(
                address=self.address(site),
                port=self.port(site),
                version=cast(Literal["1.0", "1.1"], self.http_protocol[:3]),
                fast_recovery=self.fast_recovery,
            ),
            site,
            report,
        )
        if not self.encrypted:
            return (msgspec.structs.replace(check, requests=tuple(requests)),)
        names = [self._server_name(request.host) for request in requests]
        if self.sends_sni and requests and not any(names):
            self.void("enable_sni", "there is no virtualhost to send; add one", report)
        return tuple(
            msgspec.structs.replace(
                check,
                requests=tuple(one for one, own in zip(requests, names, strict=True) if own == name),
                tls=_tls(site.around.tls, name),
            )
            for name in dict.fromkeys(names)
        )

    def _server_name(self, host: str | None) -> str | None:
        if self.sni_name is not None:
            return self.sni_name
        if not self.sends_sni or host is None or _IP.match(host) is not None:
            return None  # an address is no server name (RFC 6066, section 3)
        return host.partition(":")[0]


class SslDraft(HttpDraft):
    """What one ``SSL_GET`` says."""

    encrypted: ClassVar[bool] = True


def _tls(tls: Tls, name: str | None) -> Tls:
    return msgspec.structs.replace(tls, server_name=name)


def _http_protocol(word: str) -> str:
    upper = word.upper()
    return values.choice(upper if upper in _VERSIONS else word, _VERSIONS)


def _url(draft: HttpDraft, statement: Statement, report: Report) -> None:
    url = UrlDraft(statement)
    read_block(statement.block or (), URL, url, report)
    draft.urls.append(url)


def _keywords() -> Iterator[tuple[str, Keyword[Any]]]:
    yield from KNOBS.items()
    yield from within(lambda draft: draft.knobs, VIRTUAL_HOST).items()
    yield "http_protocol", fields.word("http_protocol", "VERSION", "http_protocol", _http_protocol)
    yield "fast_recovery", fields.boolean("fast_recovery", "fast_recovery")
    yield "enable_sni", fields.boolean("enable_sni", "sends_sni")
    yield "sni_name", fields.word("sni_name", "NAME", "sni_name", host_name)
    yield (
        "tls_compliant",
        fields.without_effect(
            "tls_compliant", "an answer ends where its own length says, not with the stream"
        ),
    )
    yield (
        "nb_get_retry",
        Keyword("nb_get_retry COUNT", KNOBS["retry"].read, same_as="retry"),
    )
    yield "url", Keyword("url { ... }", _url, least=0, most=0, block=True, repeats=True)


HTTP_GET: Final = declare(Table("HTTP_GET", dict(_keywords())))
SSL_GET: Final = declare(Table("SSL_GET", dict(_keywords())))
