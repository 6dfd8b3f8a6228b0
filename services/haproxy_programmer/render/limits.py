"""Who is let in, and how often (configuration.txt, ``tcp-request session``, ``stick-table``). Pure."""

from __future__ import annotations

from collections.abc import Iterator

from haproxy_programmer.lists import deny_list
from haproxy_programmer.writing import time, word
from vipbus.contracts import Proxy


def limits(proxy: Proxy) -> Iterator[str]:
    """Write what a proxy refuses before anything else.

    Of the session and not of the connection: then the PROXY protocol has said who the client is.

    Raises:
        UnwritableError: a name cannot be written.
    """
    yield f"    tcp-request session reject if {{ src -f {word(deny_list(proxy))} }}"
    limit = proxy.limit
    if limit is None:
        return
    period = time(limit.period)
    stored = f"http_req_rate({period}),conn_rate({period}),conn_cur"
    yield f"    stick-table type ipv6 size {int(limit.size)} expire {time(2 * limit.period)} store {stored}"
    yield "    tcp-request session track-sc0 src"
    if limit.connections is not None:
        yield f"    tcp-request session reject if {{ sc_conn_cur(0) gt {int(limit.connections)} }}"
    if limit.rate is None:
        return
    if proxy.mode == "http":
        condition = f"{{ sc_http_req_rate(0) gt {int(limit.rate)} }}"
        yield f"    http-request deny deny_status {limit.status} if {condition}"
    else:
        yield f"    tcp-request session reject if {{ sc_conn_rate(0) gt {int(limit.rate)} }}"
