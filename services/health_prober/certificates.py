"""What a server's certificates say, in words: who they are for, who signed them, until when.

Pure: the certificates come as octets (DER), the time is passed in. The ssl module describes only what
was verified, and it is the others that need words: cryptography reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Final

from vipbus.telemetry.logs import plain

if TYPE_CHECKING:
    from cryptography.x509 import Certificate, Name

UNKNOWN_AUTHORITY: Final = "certificate is signed by an unknown authority"
_MOST = 60
"""Characters of what a server wrote in its certificate that a cause has room for."""
_UNREADABLE: Final = "a name that cannot be read"
_HOUR, _DAY = 3600.0, 24 * 3600.0

# X509_verify_cert_error_string(3), by the numbers of openssl/x509_vfy.h
_NOT_YET_VALID, _EXPIRED, _SELF_SIGNED = 9, 10, 18
_SELF_SIGNED_CHAIN, _NO_ISSUER, _NO_FIRST_ISSUER = 19, 20, 21
_OTHER_NAME, _OTHER_ADDRESS = 62, 64


def expiry_warning(certificate: bytes, now: float, warn_before: float) -> str:
    """Say that a certificate expires within ``warn_before`` seconds of ``now`` or did; empty: neither."""
    if not warn_before:
        return ""
    read = _read(certificate)
    if read is None:
        return "certificate cannot be read"
    until = read.not_valid_after_utc
    left = until.timestamp() - now
    if left < 0:
        return f"certificate expired on {_date(until)}"
    if left >= warn_before:
        return ""
    return f"certificate expires in {_span(left)}, on {_date(until)}"


def refused(code: int, message: str, chain: Sequence[bytes], name: str, now: float) -> str:
    """Say why OpenSSL did not accept a chain of certificates, the server's own first.

    Args:
        code: X509_V_ERR of OpenSSL (X509_verify_cert_error_string(3)).
        message: OpenSSL's own words, for the errors that have no better ones here.
        chain: As the server sent it (DER); empty where it is not known.
        name: What the server's own was to be for.
        now: Seconds since the epoch.
    """
    read = [each for each in map(_read, chain) if each is not None]
    if not read:
        return f"certificate refused: {message.lower()}"
    own = read[0]
    if code == _EXPIRED:
        over = next((each for each in read if each.not_valid_after_utc.timestamp() < now), own)
        return f"{_whose(over, own)} expired on {_date(over.not_valid_after_utc)}"
    if code == _NOT_YET_VALID:
        early = next((each for each in read if each.not_valid_before_utc.timestamp() > now), own)
        return f"{_whose(early, own)} is not valid until {_date(early.not_valid_before_utc)}"
    if code == _SELF_SIGNED:
        return f"{UNKNOWN_AUTHORITY} (self-signed)"
    if code in (_SELF_SIGNED_CHAIN, _NO_ISSUER, _NO_FIRST_ISSUER):
        return f"{UNKNOWN_AUTHORITY} ({_named(lambda: read[-1].issuer)})"
    if code in (_OTHER_NAME, _OTHER_ADDRESS):
        return f"certificate is for {_cut(', '.join(_names(own)) or 'nobody')}, not {_cut(name)}"
    return f"certificate refused: {message.lower()}"


def _read(certificate: bytes) -> Certificate | None:
    try:
        read: Certificate = _library().load_der_x509_certificate(certificate)
        read.not_valid_after_utc  # noqa: B018  # dates are looked at only when they are asked for
        read.not_valid_before_utc  # noqa: B018
    except (ValueError, _library().InvalidVersion):
        return None
    return read


@cache
def _library() -> ModuleType:
    import warnings  # noqa: PLC0415  # for what follows

    from cryptography import utils, x509  # noqa: PLC0415  # 50 ms and 11 MB, for TLS alone

    # what a server's certificate should not be is no line in our log
    warnings.filterwarnings("ignore", category=utils.CryptographyDeprecationWarning)
    return x509


def _names(certificate: Certificate) -> list[str]:
    x509 = _library()
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = found.get_values_for_type(x509.DNSName)
        return [*names, *(str(address) for address in found.get_values_for_type(x509.IPAddress))]
    except x509.ExtensionNotFound:
        # only without the extension does OpenSSL look at the subject (RFC 6125, section 6.4.4)
        return [_named(lambda: certificate.subject)]
    except Exception:  # it was asked for by nobody but a server, and has many ways to be broken
        return [_UNREADABLE]


def _named(name: Callable[[], Name]) -> str:
    kinds = _library().NameOID
    try:
        for kind in (kinds.COMMON_NAME, kinds.ORGANIZATION_NAME):
            for each in name().get_attributes_for_oid(kind):
                return _cut(str(each.value))
        return _cut(name().rfc4514_string()) or "no name"
    except Exception:  # as above
        return _UNREADABLE


def _whose(certificate: Certificate, own: Certificate) -> str:
    return "certificate" if certificate is own else f"certificate of {_named(lambda: certificate.subject)}"


def _cut(text: str) -> str:
    return plain(text if len(text) <= _MOST else f"{text[: _MOST - 3]}...")


def _date(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%d")


def _span(seconds: float) -> str:
    number, unit = (seconds // _DAY, "day") if seconds >= _DAY else (seconds // _HOUR, "hour")
    if not number:
        return "less than an hour"
    return f"{number:.0f} {unit}{'' if number == 1 else 's'}"
