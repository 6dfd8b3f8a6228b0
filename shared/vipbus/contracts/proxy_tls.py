"""TLS on both sides of a proxy (configuration.txt, ``bind`` and ``server``). Keys are files of the router."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from vipbus.contracts.proxy_words import File, Host

Version = Literal["1.2", "1.3"]


class BindTls(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """TLS ends here, and what is inside goes on."""

    certificates: File
    """A directory of PEM files, each a certificate with its chain and key, or one such file. A client gets
    the one of the name that it asks for, or the first by file name. What changes there takes no reload."""
    strict_sni: bool = False
    """True: who asks for another name gets no certificate."""
    minimum: Version = "1.2"
    http2: bool = True
    """Offered by ALPN, in mode http."""
    client_ca: File | None = None
    """Clients must have a certificate of these authorities; X-SSL-Client-Verify and -DN tell the pool."""
    client_optional: bool = False
    """True: a client without a certificate is let in too."""

    def __post_init__(self) -> None:
        if self.client_optional and self.client_ca is None:
            raise ValueError("client_optional means nothing without client_ca")


class PoolTls(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Members speak TLS."""

    verify: bool = True
    """Their certificates must be of an authority and for `name`."""
    name: Host | None = None
    """It is asked for too (SNI)."""
    ca: File | None = None
    """None: the authorities that the system trusts."""
    certificate: File | None = None
    """Certificate and key of the proxy, for members that ask for one."""
    minimum: Version = "1.2"
    http2: bool = False
    """True: members speak HTTP/2."""

    def __post_init__(self) -> None:
        if self.verify and self.name is None:
            raise ValueError("verify needs a name: without it any certificate of an authority would do")
        if not self.verify and self.ca is not None:
            raise ValueError("ca means nothing without verify")


class Hsts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Browsers are told to come by TLS alone (RFC 6797)."""

    max_age: Annotated[int, msgspec.Meta(ge=0, le=10 * 366 * 24 * 3600)] = 365 * 24 * 3600
    """Seconds; 0 takes it back."""
    subdomains: bool = False
    preload: bool = False

    def __post_init__(self) -> None:
        if self.preload and not (self.subdomains and self.max_age >= 365 * 24 * 3600):
            raise ValueError("the preload lists want subdomains and a max_age of a year")
