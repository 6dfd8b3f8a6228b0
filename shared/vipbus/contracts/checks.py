"""How a real server is checked: one struct a kind of check, all with the same knobs.

Files, programs and certificates are named by their path on the prober's host. Octets are hexadecimal digits.
Durations are seconds. Regular expressions are those of the package ``regex``. The names of the knobs are
those of ``vipbus.toml``; docs/checks.md gives keepalived's.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from vipbus.contracts.limits import Port, Retries, Seconds, check_address
from vipbus.contracts.vrrp import Program

Count = Annotated[int, msgspec.Meta(ge=1, le=2**16)]
Mark = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
Octets = Annotated[str, msgspec.Meta(pattern=r"^(?:[0-9a-fA-F]{2})*$", max_length=2 * 65507)]
"""Hexadecimal digits, two an octet."""
StatusCode = Annotated[int, msgspec.Meta(ge=100, le=999)]
Token = Annotated[str, msgspec.Meta(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", max_length=256)]
"""A method or the name of a field (RFC 9110, section 5.6.2)."""
FieldValue = Annotated[str, msgspec.Meta(pattern=r"^[^\r\n\0]*$", max_length=8192)]
RequestTarget = Annotated[str, msgspec.Meta(pattern=r"^[/*][!-~]*$", max_length=8192)]
"""In origin-form or ``*`` (RFC 9112, section 3.2): printable ASCII without blanks."""
Size = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]

RegexOption = Literal[
    "anchored", "dotall", "extended", "firstline", "caseless", "multiline", "ungreedy", "utf"
]


class CheckBase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every check has: where it goes, from where, and when."""

    address: str
    port: Port
    interval: Seconds = 60.0
    """Between the starts of two rounds; one that takes longer is followed by the next at once."""
    timeout: Seconds = 5.0
    """For one attempt as a whole."""
    retry: Retries = 1
    """Further attempts in a round before it has failed, for a server that was up."""
    delay_before_retry: Seconds = 1.0
    rise: Count = 1
    """Rounds in a row that must succeed until a server that is not up counts as up."""
    fall: Count = 1
    """Rounds in a row that must fail until a server that is not down counts as down."""
    warmup: Seconds | None = None
    """The first attempt at an unknown server comes within this time; None: within a second."""
    jitter: Seconds = 0.0
    """At most so much later, differently each round, does a round begin; it does not add up."""
    source: str | None = None
    """Address that the check comes from."""
    source_port: Port = 0
    interface: str | None = None
    """Interface that the check leaves by (SO_BINDTODEVICE, socket(7))."""
    mark: Mark = 0
    """Firewall mark of its packets (SO_MARK, socket(7)); 0: none."""

    def __post_init__(self) -> None:
        check_address(self.address)
        if self.source is not None:
            check_address(self.source)
            if (":" in self.source) != (":" in self.address):
                raise ValueError(f"source {self.source} and address {self.address} are of two families")


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """How a check speaks TLS."""

    verify: bool = True
    """False: any certificate will do, as with keepalived."""
    ca_file: str | None = None
    """Certificates that are trusted (PEM); None: the system's."""
    certificate: str | None = None
    """The client's own (PEM), with its chain."""
    key: str | None = None
    """Of that certificate (PEM); None: in the same file."""
    server_name: str | None = None
    """Sent as SNI (RFC 6066) and looked for in the certificate; None: no SNI, the address is looked for."""
    warn_before: Seconds = 14 * 24 * 3600.0
    """A certificate that expires sooner is warned of; 0: never."""


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """Octets to send, and what must come before the dialogue goes on; nothing: go on at once."""

    send: str = ""
    """As UTF-8."""
    send_octets: Octets = ""
    """Instead of ``send``."""
    expect: str = ""
    """Must occur in what comes."""
    expect_regex: str = ""
    """Instead of ``expect``: must match somewhere in what comes."""

    def __post_init__(self) -> None:
        if self.send and self.send_octets:
            raise ValueError("send and send_octets are both given; remove one")
        if self.expect and self.expect_regex:
            raise ValueError("expect and expect_regex are both given; remove one")


class TcpCheck(CheckBase, frozen=True, kw_only=True, tag_field="kind", tag="tcp"):
    """A connect, and a dialogue where one is given (keepalived.conf(5), TCP_CHECK)."""

    exchanges: tuple[Exchange, ...] = ()


class TlsCheck(CheckBase, frozen=True, kw_only=True, tag_field="kind", tag="tls"):
    """A TLS handshake."""

    tls: Tls = Tls()


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """A field of a request."""

    name: Token
    value: FieldValue


class StatusRange(msgspec.Struct, frozen=True, kw_only=True):
    """Status codes from ``first`` to ``last``, both in it."""

    first: StatusCode
    last: StatusCode

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise ValueError(f"{self.first}-{self.last} is no range; write the smaller one first")


SUCCESS = (StatusRange(first=200, last=299),)


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request and what its response must be (keepalived.conf(5), url)."""

    path: RequestTarget = "/"
    method: Token = "GET"
    host: FieldValue | None = None
    """The Host field; None: the address."""
    headers: tuple[Header, ...] = ()
    body: str = ""
    """As UTF-8."""
    status: tuple[StatusRange, ...] = SUCCESS
    """Empty: any."""
    digest: Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F]{32}$")] | None = None
    """MD5 of the response's content."""
    regex: str = ""
    """Must match the content, between the offsets where they are given."""
    regex_no_match: bool = False
    """True: must not match."""
    regex_options: tuple[RegexOption, ...] = ()
    regex_min_offset: Size = 0
    """First octet at which a match may begin."""
    regex_max_offset: Size | None = None
    """First octet at which it may not."""
    redirects: Annotated[int, msgspec.Meta(ge=0, le=20)] = 0
    """So many redirects are followed, on the same server; what comes then is judged."""


class HttpCheck(CheckBase, frozen=True, kw_only=True, tag_field="kind", tag="http"):
    """HTTP requests one after the other, all of which must do (keepalived.conf(5), HTTP_GET and SSL_GET)."""

    requests: tuple[HttpRequest, ...] = (HttpRequest(),)
    version: Literal["1.0", "1.1", "2"] = "1.1"
    """2: by ALPN where there is TLS, by prior knowledge where there is none (RFC 9113, section 3)."""
    tls: Tls | None = None
    fast_recovery: bool = False
    """True: of a server that is down only the request that failed is tried until it does."""


class SmtpCheck(CheckBase, frozen=True, kw_only=True, tag_field="kind", tag="smtp"):
    """Greeting, EHLO or HELO, QUIT (keepalived.conf(5), SMTP_CHECK; RFC 5321)."""

    helo_name: FieldValue = ""
    """Empty: this host's own."""
    security: Literal["none", "starttls", "tls"] = "none"
    tls: Tls = Tls()


class DnsCheck(CheckBase, frozen=True, kw_only=True, tag_field="kind", tag="dns"):
    """A question and its answer (keepalived.conf(5), DNS_CHECK; RFC 1035)."""

    type: Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9]{1,10}$")] = "SOA"
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=255)] = "."
    expect: tuple[str, ...] = ()
    """Answers that must be among those that come, as a zone file has them; none: any answer will do."""
    allow_empty: bool = False
    """True: where nothing is expected, an answer without such a record will do, as with keepalived."""
    transport: Literal["udp", "tcp"] = "udp"


class UdpCheck(CheckBase, frozen=True, kw_only=True, tag_field="kind", tag="udp"):
    """A datagram; an ICMP error says down, and so does silence where a reply is required (UDP_CHECK)."""

    payload: Octets = ""
    """Empty: a few octets that mean nothing."""
    require_reply: bool = False
    reply: Octets = ""
    """What a reply must begin with, where the mask has a bit."""
    reply_mask: Octets = ""
    """Every bit beyond it counts."""
    min_reply_length: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    max_reply_length: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 65535


class PingCheck(CheckBase, frozen=True, kw_only=True, tag_field="kind", tag="ping"):
    """An ICMP echo request, for either family (keepalived.conf(5), PING_CHECK); the port means nothing."""


class GrpcCheck(CheckBase, frozen=True, kw_only=True, tag_field="kind", tag="grpc"):
    """The gRPC health checking protocol (grpc.health.v1.Health/Check): SERVING is up."""

    service: FieldValue = ""
    """Empty: the server as a whole."""
    authority: FieldValue | None = None
    """None: address and port."""
    tls: Tls | None = None


class ScriptCheck(CheckBase, frozen=True, kw_only=True, tag_field="kind", tag="script"):
    """A program whose exit status says up or down (keepalived.conf(5), MISC_CHECK)."""

    program: Program
    dynamic: bool = False
    """True: 0 is up with the weight as it is, 1 is down, 2-255 is up with the weight less 2."""
    secure: bool = False
    """True: a program that others than root could change is not run by root (enable_script_security)."""


class FileCheck(CheckBase, frozen=True, kw_only=True, tag_field="kind", tag="file"):
    """A file that holds a number (keepalived.conf(5), FILE_CHECK and track_file)."""

    path: Annotated[str, msgspec.Meta(pattern=r"^/[^\0]*$", max_length=4095)]
    weight: Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)] = 1
    """The number times this is added to the real server's weight; 0: another number than 0 is down."""


Check = (
    TcpCheck
    | TlsCheck
    | HttpCheck
    | SmtpCheck
    | DnsCheck
    | UdpCheck
    | PingCheck
    | GrpcCheck
    | ScriptCheck
    | FileCheck
)
"""Every kind of check."""


class Damping(msgspec.Struct, frozen=True, kw_only=True):
    """When a server that flaps is kept down, by the penalties of route flap damping (RFC 2439)."""

    penalty: Annotated[float, msgspec.Meta(gt=0, le=1e6)] = 1000.0
    """Added each time that it goes down."""
    suppress: Annotated[float, msgspec.Meta(gt=0, le=1e9)] = 2500.0
    """From here on it is kept down."""
    reuse: Annotated[float, msgspec.Meta(gt=0, le=1e9)] = 750.0
    """Below this it may be up again."""
    half_life: Annotated[float, msgspec.Meta(gt=0, le=31 * 24 * 3600)] = 60.0
    """Seconds in which a penalty halves."""

    def __post_init__(self) -> None:
        if self.reuse >= self.suppress:
            raise ValueError(f"reuse {self.reuse:g} is not below suppress {self.suppress:g}")
