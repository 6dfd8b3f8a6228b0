"""Where a proxy listens (configuration.txt, ``bind``). Pure."""

from __future__ import annotations

from haproxy_programmer.render.tls import of_bind
from haproxy_programmer.writing import endpoint
from vipbus.contracts import ProxyBind
from vipbus.contracts.proxy_words import Mode


def bind(listens: ProxyBind, mode: Mode) -> str:
    """Write what follows ``bind``."""
    # the address may be another router's now: it is bound before it is here, and serves as soon as it comes.
    # HAProxy takes IP_TRANSPARENT where it may (CAP_NET_ADMIN), else IP_FREEBIND, which takes no privilege
    words = [endpoint(listens.address, listens.port), "transparent"]
    if listens.accept_proxy:
        words.append("accept-proxy")
    if listens.tls is not None:
        words += of_bind(listens.tls, mode)
    return " ".join(words)
