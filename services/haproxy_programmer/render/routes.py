"""Which route a request has, and what happens to it (configuration.txt, ``http-request``). Pure.

A route is decided once and remembered: a path that is rewritten decides nothing any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from haproxy_programmer.render.content import cached
from haproxy_programmer.writing import literal, quoted, word
from vipbus.contracts import HeaderChange, HeaderMatch, Proxy, ProxyRoute, Redirect

_HOST: Final = "req.hdr(host),host_only,lower"
_PATH: Final = "path,url_dec"
_ROUTED: Final = "vipbus.routed"
"""An ACL of a snippet has no such name."""


def routes(proxy: Proxy) -> Iterator[str]:
    """Write what happens to requests, in the order in which it does.

    Raises:
        UnwritableError: a value cannot be written.
    """
    numbered = list(enumerate(proxy.route, 1))
    yield from _decided(numbered)
    for number, route in numbered:
        if route.deny is not None:
            yield f"    http-request deny deny_status {route.deny} if {_is(number)}"
        if route.redirect is not None:
            yield f"    http-request redirect {_redirect(route.redirect)} if {_is(number)}"
    yield from cached(proxy)
    yield from headers("http-request", proxy.request_header)
    # not http-response: that leaves out what HAProxy answers itself
    yield from headers("http-after-response", proxy.response_header)
    for number, route in numbered:
        if route.rewrite is not None:
            change = f"{quoted(route.rewrite.regex)} {literal(route.rewrite.by)}"
            yield f"    http-request replace-path {change} if {_is(number)}"
        yield from headers("http-request", route.request_header, f" if {_is(number)}")
        yield from headers("http-after-response", route.response_header, f" if {_is(number)}")


def _decided(numbered: Iterable[tuple[int, ProxyRoute]]) -> Iterator[str]:
    for number, route in numbered:
        if number == 1:
            yield f"    acl {_ROUTED} var(txn.route) -m found"
        acls = dict(_acls(route, f"vipbus.route{number}"))
        for name, lines in acls.items():
            yield from (f"    acl {name} {line}" for line in lines)
        yield f"    http-request set-var(txn.route) int({number}) if {' '.join([*acls, f'!{_ROUTED}'])}"


def _is(number: int) -> str:
    return f"{{ var(txn.route) -m int {number} }}"


def _acls(route: ProxyRoute, name: str) -> Iterator[tuple[str, list[str]]]:
    """Give what must hold, by name: each is a list of lines of which one is enough."""
    if route.host:
        yield f"{name}_host", [_host(each) for each in route.host]
    if route.path or route.path_prefix or route.path_regex:
        yield (
            f"{name}_path",
            [
                *(f"{_PATH} -m str -- {word(each)}" for each in route.path),
                *(line for each in route.path_prefix for line in _prefix(each)),
                *(f"{_PATH} -m reg -- {quoted(each)}" for each in route.path_regex),
            ],
        )
    if route.method:
        yield f"{name}_method", [f"method {word(each)}" for each in route.method]
    for number, each in enumerate(route.header, 1):
        yield f"{name}_header{number}", [_header(each)]


def _host(host: str) -> str:
    below = host.startswith("*.")
    return f"{_HOST} -m {'end' if below else 'str'} -- {word(host[1:] if below else host)}"


def _prefix(path: str) -> Iterator[str]:
    yield f"{_PATH} -m beg -- {word(path.rstrip('/') + '/')}"
    if not path.endswith("/"):
        yield f"{_PATH} -m str -- {word(path)}"


def _header(header: HeaderMatch) -> str:
    fetched = f"req.fhdr({word(header.name)})"
    if header.value is not None:
        return f"{fetched} -m str -- {quoted(header.value)}"
    if header.regex is not None:
        return f"{fetched} -m reg -- {quoted(header.regex)}"
    return f"{fetched} -m found"


def _redirect(redirect: Redirect) -> str:
    how = (
        f"prefix {literal(redirect.to.rstrip('/') or '/')}"
        if redirect.keep_path
        else f"location {literal(redirect.to)}"
    )
    return f"{how} code {redirect.status}"


def headers(when: str, changes: Iterable[HeaderChange], condition: str = "") -> Iterator[str]:
    """Write changes of headers.

    Raises:
        UnwritableError: a value cannot be written.
    """
    for change in changes:
        name = word(change.name)
        if change.value is None:
            yield f"    {when} del-header {name}{condition}"
        else:
            verb = "add-header" if change.add else "set-header"
            yield f"    {when} {verb} {name} {literal(change.value)}{condition}"
