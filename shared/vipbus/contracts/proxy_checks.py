"""HAProxy's own checks of a pool, instead of the probers' (configuration.txt, ``check``, ``agent-check``)."""

from __future__ import annotations

from typing import Annotated

import msgspec

from vipbus.contracts.checks import SUCCESS, StatusRange
from vipbus.contracts.limits import Port, Seconds, check_address
from vipbus.contracts.proxy_words import Host, Method, Path, Text

InARow = Annotated[int, msgspec.Meta(ge=1, le=1000)]
_LONGEST_LINE = 200


class _Check(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When HAProxy checks a member, and when it believes the answer."""

    interval: Seconds = 2.0
    fast_interval: Seconds | None = None
    """While it is about to change its mind. None: `interval`."""
    down_interval: Seconds | None = None
    """While the member is down. None: `interval`."""
    timeout: Seconds | None = None
    """For the answer, once it is connected. None: `interval`, and for the connection as it is for clients."""
    rise: InARow = 2
    """Successes in a row that make it up."""
    fall: InARow = 3
    """Failures in a row that make it down."""
    port: Port = 0
    """0: the member's own."""

    def __post_init__(self) -> None:
        if not self.interval:
            raise ValueError("interval is 0; a check takes time")


class HaproxyTcpCheck(_Check, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="tcp"):
    """It connects, with TLS where the pool has it."""


class HaproxyHttpCheck(_Check, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="http"):
    """It asks and looks at the status (configuration.txt, ``http-check``)."""

    path: Path = "/"
    method: Method = "GET"
    host: Host | None = None
    """It is asked by HTTP/1.1 then. None: by HTTP/1.0, without a Host."""
    status: tuple[StatusRange, ...] = SUCCESS

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.status:
            raise ValueError("status is empty, so no answer would do")


HaproxyCheck = HaproxyTcpCheck | HaproxyHttpCheck


class AgentCheck(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An agent on each member tells its weight and its state (configuration.txt, ``agent-check``)."""

    port: Port
    address: str | None = None
    """None: the member's."""
    interval: Seconds = 2.0
    send: Annotated[Text, msgspec.Meta(max_length=_LONGEST_LINE)] | None = None
    """A line that it is sent first."""

    def __post_init__(self) -> None:
        if not self.port:
            raise ValueError("an agent needs a port")
        if not self.interval:
            raise ValueError("interval is 0; a check takes time")
        if self.address is not None:
            check_address(self.address)
