"""TLS on both sides (configuration.txt, 5.1 and 5.2; RFC 6797). Pure."""

from __future__ import annotations

from collections.abc import Iterator

from haproxy_programmer.writing import word
from vipbus.contracts import BindTls, Hsts, PoolTls, Proxy
from vipbus.contracts.proxy_words import Mode


def of_bind(tls: BindTls, mode: Mode) -> Iterator[str]:
    """Give the words of a ``bind`` line.

    Raises:
        UnwritableError: a value cannot be written.
    """
    yield f"ssl crt {word(tls.certificates)} ssl-min-ver TLSv{tls.minimum}"
    if mode == "http":
        yield f"alpn {'h2,http/1.1' if tls.http2 else 'http/1.1'}"
    if tls.strict_sni:
        yield "strict-sni"
    if tls.client_ca is not None:
        yield f"ca-file {word(tls.client_ca)} verify {'optional' if tls.client_optional else 'required'}"


def of_servers(tls: PoolTls) -> Iterator[str]:
    """Give the words of a ``default-server`` line.

    Raises:
        UnwritableError: a value cannot be written.
    """
    yield f"ssl ssl-min-ver TLSv{tls.minimum}"
    if tls.name is not None:
        yield f"sni str({word(tls.name)})"
    if tls.verify:
        yield f"verify required verifyhost {word(tls.name or '')}"
        yield f"ca-file {word(tls.ca) if tls.ca is not None else '@system-ca'}"
    else:
        yield "verify none"
    if tls.certificate is not None:
        yield f"crt {word(tls.certificate)}"
    if tls.http2:
        yield "alpn h2"


def rules(proxy: Proxy) -> Iterator[str]:
    """Write what a proxy does because of TLS, before its routes."""
    if proxy.redirect_https is not None:
        port = "" if proxy.redirect_https == 443 else f":{proxy.redirect_https}"
        # the port that the client came to is in its Host too, and is not the one of TLS
        where = f"https://%[req.hdr(host),host_only]{port}%[pathq]"
        yield f"    http-request redirect location {where} code {proxy.redirect_status} unless {{ ssl_fc }}"
    if any(bind.tls is not None and bind.tls.client_ca is not None for bind in proxy.bind):
        yield "    http-request set-header X-SSL-Client-Verify %[ssl_c_verify]"
        yield "    http-request set-header X-SSL-Client-DN %[ssl_c_s_dn]"
        yield "    http-request del-header X-SSL-Client-DN unless { ssl_c_used }"
        yield "    http-request del-header X-SSL-Client-Verify unless { ssl_c_used }"
    if proxy.hsts is not None:
        said = _hsts(proxy.hsts)
        yield f"    http-after-response set-header Strict-Transport-Security '{said}' if {{ ssl_fc }}"


def _hsts(hsts: Hsts) -> str:
    words = [f"max-age={int(hsts.max_age)}"]
    if hsts.subdomains:
        words.append("includeSubDomains")
    if hsts.preload:
        words.append("preload")
    return "; ".join(words)
