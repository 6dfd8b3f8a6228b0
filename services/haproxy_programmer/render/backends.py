"""A pool without its members (configuration.txt, ``backend``). Pure."""

from __future__ import annotations

from collections.abc import Iterator

from haproxy_programmer.render import checks, logs, tls
from haproxy_programmer.render.content import cached, filters
from haproxy_programmer.render.peers import SECTION
from haproxy_programmer.render.snippets import snippet
from haproxy_programmer.writing import time, word
from vipbus.contracts import Balance, ProxyPool, SourcePersistence
from vipbus.contracts.proxy_persistence import Persistence


def backend(pool: ProxyPool) -> Iterator[str]:
    """Write a pool up to its servers.

    Raises:
        UnwritableError: a value cannot be written.
    """
    yield f"backend {word(pool.id)}"
    yield f"    mode {pool.mode}"
    yield logs.of_pool()
    yield from _balance(pool.balance)
    if pool.persistence is not None:
        yield from _persistence(pool, pool.persistence)
    if pool.haproxy_check is not None:
        yield from checks.of_pool(pool.haproxy_check)
    yield f"    retries {pool.retries}"
    timeouts = pool.timeouts
    yield f"    timeout connect {time(timeouts.connect)}"
    yield f"    timeout server {time(timeouts.server)}"
    yield f"    timeout queue {time(timeouts.queue)}"
    yield f"    timeout tunnel {time(timeouts.tunnel)}"
    if options := list(_of_servers(pool)):
        yield f"    default-server {' '.join(options)}"
    yield from filters(pool)
    yield from cached(pool)
    yield from snippet(f"pool {pool.id.removeprefix('pool-')}", pool.snippet)


def _balance(balance: Balance) -> Iterator[str]:
    name = word(balance.parameter) if balance.parameter is not None else ""
    match balance.algorithm:
        case "url-param":
            yield f"    balance url_param {name}"
        case "header":
            yield f"    balance hdr({name})"
        case "rdp-cookie":
            # the cookie is in the client's first words: a member is chosen when they are here
            yield "    tcp-request inspect-delay 5s"
            yield f"    tcp-request content accept if {{ req.rdp_cookie({name}) -m found }}"
            yield f"    balance rdp-cookie({name})"
        case algorithm:
            yield f"    balance {algorithm}"
    if balance.hash == "consistent":
        yield "    hash-type consistent"


def _persistence(pool: ProxyPool, persistence: Persistence) -> Iterator[str]:
    if isinstance(persistence, SourcePersistence):
        expire = time(persistence.expire)
        # by address: a slot's name is another member's when the slot is used again
        table = f"type ipv6 size {int(persistence.size)} expire {expire} srvkey addr"
        yield f"    stick-table {table} peers {SECTION}"
        yield "    stick on src"
        return
    words = [word(persistence.name), "insert indirect nocache httponly dynamic"]
    if persistence.secure:
        words.append("secure")
    words.append(f"attr SameSite={persistence.same_site}")
    if persistence.max_life is not None:
        words.append(f"maxlife {persistence.max_life}s")
    yield f"    dynamic-cookie-key {word(persistence.key if persistence.key is not None else pool.id)}"
    yield f"    cookie {' '.join(words)}"


def _of_servers(pool: ProxyPool) -> Iterator[str]:
    if pool.max_connections is not None:
        yield f"maxconn {pool.max_connections}"
    if pool.max_queue is not None:
        yield f"maxqueue {pool.max_queue}"
    if pool.slow_start:
        yield f"slowstart {time(pool.slow_start)}"
    if pool.send_proxy:
        yield "send-proxy" if pool.send_proxy == "v1" else "send-proxy-v2"
    if pool.tls is not None:
        yield from tls.of_servers(pool.tls)
    yield from checks.of_servers(pool)
