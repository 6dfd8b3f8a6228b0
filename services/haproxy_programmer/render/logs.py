"""What HAProxy tells of requests and of itself (configuration.txt, ``log``, ``log-format``). Pure.

Lines go to its standard output, a pipe that the programmer reads: its workers need no right to any file, and
nobody else can write there. A line is JSON after its priority; what a client has a say in is cut to a length
and written by the converter ``json``, each octet as one letter, so nothing in it can end a value.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from haproxy_programmer.log_lines import ERRORS, NOTICES, SAMPLE, SAMPLE_ALONE
from vipbus.contracts import Proxy

_LONGEST: Final = 4000
"""Octets of a line: as one write of them is whole or not at all (pipe(7), PIPE_BUF)."""
_TARGET: Final = f"log stdout len {_LONGEST} format priority"
_CLIENT: Final = (("method", "method", 16), ("host", "req.hdr(host)", 100), ("path", "path", 200))
"""Name, expression and length of what the client has a say in. A query may hold secrets and is left out."""
_WHO: Final = '"at":%Ts.%ms,"client":"%ci","port":%cp,"proxy":"%f"'
_SERVED: Final = '"pool":"%b","server":"%s","ended":"%ts","bytes":[%U,%B],"retries":"%rc"'


def of_proxy(proxy: Proxy) -> Iterator[str]:
    """Write what a proxy tells of its requests."""
    log = proxy.log
    if log is None:
        return
    yield "    option dontlognull"
    yield "    option log-separate-errors"
    if log.errors:
        yield f"    {_TARGET} {ERRORS} err"
    if log.sample is None:
        yield "    option dontlog-normal"
    else:
        facility = SAMPLE if log.errors else SAMPLE_ALONE
        yield f"    {_TARGET} sample 1:{int(log.sample)} {facility} info"
    if proxy.mode == "http":
        for name, expression, length in _CLIENT:
            yield f"    http-request set-var(txn.log_{name}) {expression},bytes(0,{length})"
        said = ",".join(f'"{name}":"%[var(txn.log_{name}),json(ascii)]"' for name, *_ in _CLIENT)
        yield f'    log-format \'{{{_WHO},{_SERVED},"times":[%Tw,%Tc,%Tr,%Ta],"status":%ST,{said}}}\''
    else:
        yield f"    log-format '{{{_WHO},{_SERVED},\"times\":[%Tw,%Tc,-1,%Tt]}}'"
    yield f'    error-log-format \'{{{_WHO},"error":"%[fc_err_str,json(ascii)]"}}\''


def of_pool() -> str:
    """Write where HAProxy tells of a pool and its members."""
    return f"    {_TARGET} {NOTICES} notice"
