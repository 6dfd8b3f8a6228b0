"""A proxy (configuration.txt, ``frontend``). Pure."""

from __future__ import annotations

from collections.abc import Iterator

from haproxy_programmer.lists import DRAINED, drained_list
from haproxy_programmer.render import logs, tls
from haproxy_programmer.render.binds import bind
from haproxy_programmer.render.content import filters
from haproxy_programmer.render.limits import limits
from haproxy_programmer.render.pools import choices, fallback_of, nobody
from haproxy_programmer.render.routes import routes
from haproxy_programmer.render.snippets import snippet
from haproxy_programmer.site import Site
from haproxy_programmer.writing import time, word
from vipbus.contracts import Proxy, pool_token


def frontend(proxy: Proxy, site: Site) -> Iterator[str]:
    """Write a proxy of a site.

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
    yield from logs.of_proxy(proxy)
    yield from limits(proxy)
    if proxy.mode == "http":
        yield from _http(proxy, site)
    # before its rules, so that what it decides counts; after all else, so that what it sets does
    yield from snippet(f"proxy {proxy.id}", proxy.snippet)
    if proxy.mode == "http":
        yield from tls.rules(proxy)
        yield from routes(proxy)
    yield from choices(proxy, site)


def _http(proxy: Proxy, site: Site) -> Iterator[str]:
    yield f"    timeout http-request {time(proxy.timeouts.http_request)}"
    yield f"    timeout http-keep-alive {time(proxy.timeouts.http_keep_alive)}"
    if proxy.monitor is not None:
        yield from _monitor(proxy, proxy.monitor, site)
    if proxy.forwarded_for:
        yield "    http-request set-header X-Forwarded-For %[src]"
        yield "    http-request set-header X-Forwarded-Proto https if { ssl_fc }"
        yield "    http-request set-header X-Forwarded-Proto http unless { ssl_fc }"
        yield "    http-request set-header X-Forwarded-Port %[dst_port]"
    yield from filters(proxy)


def _monitor(proxy: Proxy, path: str, site: Site) -> Iterator[str]:
    yield f"    monitor-uri {word(path)}"
    fallback = fallback_of(proxy.pool, site)
    too_few = [nobody(pool_token(proxy.pool), proxy.monitor_members)]
    too_few += [nobody(fallback)] if fallback is not None else []
    yield f"    monitor fail if {' '.join(too_few)}"
    if proxy.monitor_drain:
        # a list and no variable: it changes without a reload, and a new worker has read it when it answers
        yield f"    monitor fail if {{ str({DRAINED}) -m str -f {word(drained_list(proxy))} }}"
