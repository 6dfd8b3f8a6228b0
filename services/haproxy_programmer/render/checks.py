"""How HAProxy checks a pool by itself (configuration.txt, ``option httpchk``, ``check``). Pure."""

from __future__ import annotations

from collections.abc import Iterator

from haproxy_programmer.writing import quoted, time, word
from vipbus.contracts import AgentCheck, HaproxyCheck, HaproxyHttpCheck, ProxyPool


def of_pool(check: HaproxyCheck) -> Iterator[str]:
    """Give the lines of a pool: what is asked.

    Raises:
        UnwritableError: a value cannot be written.
    """
    if check.timeout is not None:
        yield f"    timeout check {time(check.timeout)}"
    if isinstance(check, HaproxyHttpCheck):
        request = f"meth {word(check.method)} uri {word(check.path)}"
        if check.host is not None:
            request += f" ver HTTP/1.1 hdr Host {word(check.host)}"
        ranges = ",".join(f"{int(each.first)}-{int(each.last)}" for each in check.status)
        yield "    option httpchk"
        yield f"    http-check send {request}"
        yield f"    http-check expect status {ranges}"


def of_servers(pool: ProxyPool) -> Iterator[str]:
    """Give the words of a ``default-server`` line: a free slot is disabled, so nothing checks it.

    Raises:
        UnwritableError: a value cannot be written.
    """
    if pool.haproxy_check is not None:
        yield from _check(pool, pool.haproxy_check)
    if pool.agent_check is not None:
        yield from _agent(pool.agent_check)


def _check(pool: ProxyPool, check: HaproxyCheck) -> Iterator[str]:
    yield f"check inter {time(check.interval)} rise {int(check.rise)} fall {int(check.fall)}"
    if check.fast_interval is not None:
        yield f"fastinter {time(check.fast_interval)}"
    if check.down_interval is not None:
        yield f"downinter {time(check.down_interval)}"
    if check.port:
        # with another port it would speak plain, and without a header
        yield f"port {int(check.port)}"
        if pool.tls is not None:
            yield "check-ssl"
        if pool.send_proxy:
            yield "check-send-proxy"
    if pool.tls is not None and pool.tls.name is not None:
        yield f"check-sni {word(pool.tls.name)}"


def _agent(agent: AgentCheck) -> Iterator[str]:
    yield f"agent-check agent-port {int(agent.port)} agent-inter {time(agent.interval)}"
    if agent.address is not None:
        yield f"agent-addr {word(agent.address)}"
    if agent.send is not None:
        yield f"agent-send {quoted(agent.send)}\\n"  # the line's end stands outside of the quotes
