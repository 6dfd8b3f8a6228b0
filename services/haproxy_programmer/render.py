"""Write a site as HAProxy's configuration (configuration.txt). Pure.

What is structure stands in a digest: as long as it is the same, everything else goes by command and without a
reload. The digest is in the running process too (``proc.gen``), so a worker that began anew is noticed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from haproxy_programmer.members import Member
from haproxy_programmer.site import Place, Site
from haproxy_programmer.slots import Slot
from haproxy_programmer.writing import endpoint, time, word
from vipbus.contracts import Balance, Proxy, ProxyBind, ProxyPool, pool_token

_HARD_STOP = 3600.0
"""Seconds that an old worker may live for the connections that it has."""
_FREE = "0.0.0.0:1 disabled"


def generation(site: Site) -> str:
    """Digest what takes a reload to change: all but who is in which slot and how that one is."""
    lines = [line for proxy in site.proxies for line in _proxy(proxy)]
    for pool in site.pools:
        lines += [*_pool(pool), f"{site.slots_of(pool.id).size} slots"]
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=8).hexdigest()


def render(site: Site, place: Place) -> str:
    """Write the whole file.

    Raises:
        UnwritableError: a value cannot be written.
    """
    lines = [
        "# written by haproxy-programmer; what is changed here is lost",
        *_global(place, generation(site)),
        *_defaults(),
    ]
    for proxy in site.proxies:
        lines += ["", *_proxy(proxy)]
    for pool in site.pools:
        lines += ["", *_pool(pool), *_servers(site, pool)]
    return "\n".join(lines) + "\n"


def _global(place: Place, digest: str) -> Iterator[str]:
    yield "global"
    yield f"    stats socket {word(str(place.socket))} mode 600 level admin"
    yield f"    server-state-file {word(str(place.state))}"
    yield f"    set-var proc.gen str({word(digest)})"
    yield f"    maxconn {place.connections}"
    yield f"    hard-stop-after {time(_HARD_STOP)}"
    yield "    mworker-max-reloads 20"
    if place.user is not None:
        yield f"    user {word(place.user)}"
    if place.group is not None:
        yield f"    group {word(place.group)}"


def _defaults() -> Iterator[str]:
    yield ""
    yield "defaults"
    yield "    load-server-state-from-file global"
    yield "    option idle-close-on-response"  # a reload would cut a request on a kept connection
    yield "    option redispatch"
    yield "    timeout connect 5s"
    yield "    timeout client 50s"
    yield "    timeout server 50s"


def _proxy(proxy: Proxy) -> Iterator[str]:
    yield f"frontend {word(proxy.id)}"
    yield f"    mode {proxy.mode}"
    for bind in proxy.bind:
        yield f"    bind {_bind(bind)}"
    timeouts = proxy.timeouts
    yield f"    timeout client {time(timeouts.client)}"
    if proxy.max_connections is not None:
        yield f"    maxconn {proxy.max_connections}"
    if proxy.mode == "http":
        yield f"    timeout http-request {time(timeouts.http_request)}"
        yield f"    timeout http-keep-alive {time(timeouts.http_keep_alive)}"
        if proxy.monitor is not None:
            yield f"    monitor-uri {word(proxy.monitor)}"
            yield f"    monitor fail if {{ nbsrv({word(_backend(proxy))}) lt 1 }}"
        if proxy.forwarded_for:
            yield "    http-request set-header X-Forwarded-For %[src]"
            yield "    http-request set-header X-Forwarded-Proto https if { ssl_fc }"
            yield "    http-request set-header X-Forwarded-Proto http unless { ssl_fc }"
            yield "    http-request set-header X-Forwarded-Port %[dst_port]"
    yield f"    default_backend {word(_backend(proxy))}"


def _backend(proxy: Proxy) -> str:
    """Name the backend of a proxy: the same pool may have other timeouts behind another proxy."""
    return pool_token(proxy.pool)


def _bind(bind: ProxyBind) -> str:
    # the address may be another router's now: it is bound before it is here, and serves as soon as it comes
    words = [endpoint(bind.address, bind.port), "transparent"]
    if bind.accept_proxy:
        words.append("accept-proxy")
    return " ".join(words)


def _pool(pool: ProxyPool) -> Iterator[str]:
    yield f"backend {word(pool.id)}"
    yield f"    mode {pool.mode}"
    yield f"    balance {_balance(pool.balance)}"
    if pool.balance.hash == "consistent":
        yield "    hash-type consistent"
    yield f"    retries {pool.retries}"
    options = [f"maxconn {pool.max_connections}"] if pool.max_connections is not None else []
    if pool.send_proxy:
        options.append("send-proxy" if pool.send_proxy == "v1" else "send-proxy-v2")
    if options:
        yield f"    default-server {' '.join(options)}"


def _balance(balance: Balance) -> str:
    if balance.algorithm == "url-param":
        return f"url_param {word(balance.parameter or '')}"
    if balance.algorithm == "header":
        return f"hdr({word(balance.parameter or '')})"
    if balance.algorithm == "rdp-cookie":
        return f"rdp-cookie({word(balance.parameter or '')})"
    return balance.algorithm


def _servers(site: Site, pool: ProxyPool) -> Iterator[str]:
    slots = site.slots_of(pool.id)
    known = by_endpoint(site.members.get(pool.id, ()))
    for name in slots.names:
        slot = slots.held.get(name)
        if slot is None:
            yield f"    server {name} {_FREE}"
        else:
            yield f"    server {name} {endpoint(slot.address, slot.port)} weight {weight_of(slot, known)}"


def by_endpoint(members: Iterable[Member]) -> dict[tuple[str, int], Member]:
    """Find members by who they are."""
    return {member.endpoint: member for member in members}


def weight_of(slot: Slot, known: dict[tuple[str, int], Member]) -> int:
    """Say what a slot's member weighs; one that has left weighs as little as there is."""
    member = known.get(slot.endpoint)
    return member.weight if member is not None else 1
