"""A proxy (configuration.txt, ``frontend``). Pure."""

from __future__ import annotations

from collections.abc import Iterator

from haproxy_programmer.render import tls
from haproxy_programmer.render.binds import bind
from haproxy_programmer.render.routes import routes
from haproxy_programmer.writing import time, word
from vipbus.contracts import Proxy, pool_token


def frontend(proxy: Proxy) -> Iterator[str]:
    """Write a proxy.

    Raises:
        UnwritableError: a value cannot be written.
    """
    yield f"frontend {word(proxy.id)}"
    yield f"    mode {proxy.mode}"
    for listens in proxy.bind:
        yield f"    bind {bind(listens, proxy.mode)}"
    yield f"    timeout client {time(proxy.timeouts.client)}"
    if proxy.max_connections is not None:
        yield f"    maxconn {proxy.max_connections}"
    if proxy.mode == "http":
        yield from _http(proxy)
    yield f"    default_backend {word(pool_token(proxy.pool))}"


def _http(proxy: Proxy) -> Iterator[str]:
    yield f"    timeout http-request {time(proxy.timeouts.http_request)}"
    yield f"    timeout http-keep-alive {time(proxy.timeouts.http_keep_alive)}"
    if proxy.monitor is not None:
        yield f"    monitor-uri {word(proxy.monitor)}"
        yield f"    monitor fail if {{ nbsrv({word(pool_token(proxy.pool))}) lt 1 }}"
    if proxy.forwarded_for:
        yield "    http-request set-header X-Forwarded-For %[src]"
        yield "    http-request set-header X-Forwarded-Proto https if { ssl_fc }"
        yield "    http-request set-header X-Forwarded-Proto http unless { ssl_fc }"
        yield "    http-request set-header X-Forwarded-Port %[dst_port]"
    yield from tls.rules(proxy)
    yield from routes(proxy)
