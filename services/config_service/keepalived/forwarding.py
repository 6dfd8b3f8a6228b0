"""``lvs_method`` and its like: how packets reach a real server (ipvsadm(8), --tun-type)."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, cast, get_args

from config_service.keepalived import values
from config_service.keepalived.parser import Statement
from config_service.keepalived.schema import Keyword
from config_service.keepalived.words import Words, unknown
from config_service.pools import tunnel_problem
from config_service.problems import RefusedError, quoted
from config_service.report import Report
from vipbus.contracts import ForwardingMethod, Tunnel

_USAGE: Final = "NAT|DR|TUN [type ipip|gue port NUMBER|gre] [nocsum|csum|remcsum]"
_TYPES: Final = ("ipip", "gue", "gre")
_CHECKSUMS: Final = {"nocsum": "none", "csum": "csum", "remcsum": "remcsum"}


class Method(NamedTuple):
    """A forwarding method; of TUN with its tunnel."""

    forwarding: ForwardingMethod = "NAT"
    tunnel: Tunnel | None = None
    """None with TUN: ipip."""


def method(words: tuple[str, ...]) -> Method:
    """Read a method with its options.

    Raises:
        RefusedError: there is no such method, or no such tunnel.
    """
    name = cast(ForwardingMethod, values.choice(words[0], get_args(ForwardingMethod)))
    if len(words) == 1:
        return Method(name)
    if name != "TUN":
        raise RefusedError(f"{quoted(words[1])} after {name}: only TUN has options; remove it")
    tunnel = _tunnel(Words(words[1:]))
    if problem := tunnel_problem(tunnel):
        raise RefusedError(problem)
    return Method(name, tunnel if tunnel != Tunnel() else None)


def _tunnel(words: Words) -> Tunnel:
    kind, port, checksum = "ipip", 0, "none"
    while words:
        word = words.take()
        if word in _CHECKSUMS:
            words.once("a checksum")
            checksum = _CHECKSUMS[word]
        elif word == "type":
            words.once(word)
            kind = values.choice(words.argument(word, "a tunnel's type"), _TYPES)
        elif word == "port":
            words.once(word)
            port = values.port(words.argument(word, "a port"))
        else:
            raise unknown(word, "TUN", _USAGE)
    return Tunnel(type=cast(Any, kind), port=port, checksum=cast(Any, checksum))


def keyword(name: str, *, same_as: str = "") -> Keyword[Any]:
    """Make a keyword that puts a `Method` into ``method``, or into what ``sorry_server`` goes by."""
    field = "sorry_method" if name.startswith("sorry") else "method"

    def read(draft: Any, statement: Statement, _report: Report) -> None:
        setattr(draft, field, method(statement.arguments))

    return Keyword(f"{name} {_USAGE}", read, most=16, same_as=same_as)
