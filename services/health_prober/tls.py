"""TLS as a check wants it: contexts from `vipbus.contracts.Tls`, and what went wrong in words.

`context_for` gives an ordinary SSLContext, for our own `health_prober.stream` as for a library that brings
its own transport; a certificate that it refuses is described in the error itself.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Sequence
from typing import Final

import msgspec

from health_prober import certificates
from health_prober.attempt import NotTriedError
from vipbus.contracts import CheckBase, Tls

CLOSED: Final = "connection closed in the TLS handshake"
NO_TLS: Final = "no TLS: the server answered with something else"
_MOST_CONTEXTS: Final = 1000
"""Kept; one with certificates of its own takes about 100 kB."""
_DER: Final = 2
"""_ssl.ENCODING_DER."""

_WORDS: Final = {
    "WRONG_VERSION_NUMBER": NO_TLS,
    "HTTP_REQUEST": NO_TLS,
    "HTTPS_PROXY_REQUEST": NO_TLS,
    "UNEXPECTED_EOF_WHILE_READING": CLOSED,
    "UNSUPPORTED_PROTOCOL": "handshake failed: no protocol version in common",
    "TLSV1_ALERT_PROTOCOL_VERSION": "handshake failed: no protocol version in common",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "handshake failed: no cipher in common, or no client certificate",
    "TLSV1_ALERT_INSUFFICIENT_SECURITY": "handshake failed: our ciphers are too weak for the server",
    "ASN1_LIB": "certificate cannot be read",
    "DH_KEY_TOO_SMALL": "handshake failed: the server's key exchange is too weak",
    "TLSV1_ALERT_NO_APPLICATION_PROTOCOL": "handshake failed: the server does not speak the protocol (ALPN)",
    "TLSV1_UNRECOGNIZED_NAME": "handshake failed: the server does not know the server_name",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the server wants a client certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the server refuses our certificate (bad certificate)",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the server refuses our certificate (expired)",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "the server refuses our certificate (revoked)",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the server refuses our certificate (unknown)",
    "TLSV1_ALERT_UNKNOWN_CA": "the server refuses our certificate (unknown authority)",
    "TLSV1_ALERT_ACCESS_DENIED": "the server refuses our certificate (access denied)",
}
"""By the reason of OpenSSL (openssl/sslerr.h): what a server's alert (RFC 8446, section 6.2) means here."""


class RefusedError(ssl.SSLError):
    """A certificate was not accepted; the text says why.

    It is an SSLError because asyncio's transport ends a handshake in good order for no other.
    """


def context_for(tls: Tls, alpn: Sequence[str] = ()) -> ssl.SSLContext:
    """Give a client's context; made once, and again when one of its files has changed.

    Raises:
        NotTriedError: a file is not there, or not what it should be.
    """
    ca_file = tls.ca_file if tls.verify else None
    key_file = tls.key or tls.certificate
    wanted = _Wanted(tls.verify, ca_file, tls.certificate, key_file, tuple(alpn))
    stamps = (
        _stamp("ca_file", ca_file),
        _stamp("certificate", tls.certificate),
        _stamp("key", tls.key if tls.certificate is not None else None),
    )
    found = _made.get(wanted)
    if found is None or found[0] != stamps:
        if len(_made) >= _MOST_CONTEXTS:
            _made.pop(next(iter(_made)))
        found = _made[wanted] = (stamps, _make(wanted))
    return found[1]


def name_for(check: CheckBase, tls: Tls) -> str | None:
    """Give what to hand to the ssl module as ``server_hostname``: it sends a name as SNI, never an address.

    Raises:
        NotTriedError: the name is none.
    """
    if tls.server_name is None:
        return check.address if tls.verify else None
    name = tls.server_name.rstrip(".")
    try:
        # as the ssl module does, whose errors would come from deep inside
        if not name or name.startswith("."):
            raise ValueError  # one message for both
        name.encode("idna")
    except ValueError:
        raise NotTriedError(f"server_name {name[:80]!r} is no host name; mend it") from None
    return name


def warning_for(tls: Tls, certificate: bytes | None) -> str:
    """Say that a server's certificate (DER) will expire soon, or did where nobody verifies it."""
    if not certificate:
        return ""
    return certificates.expiry_warning(certificate, time.time(), tls.warn_before)


def explain(error: ssl.SSLError) -> str:
    """Say in words what an error of the ssl module means for a check."""
    if isinstance(error, RefusedError):
        return str(error)
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return CLOSED
    # an older Python does not know every name, but has OpenSSL's words: "[SSL] some reason (_ssl.c:1006)"
    words = str(error).partition("] ")[2].partition(" (_ssl")[0]
    reason = str(error.reason or words.upper().replace(" ", "_"))
    return _WORDS.get(reason) or f"TLS failed: {reason.lower().replace('_', ' ') or 'no reason given'}"


class _Wanted(msgspec.Struct, frozen=True):
    verify: bool
    ca_file: str | None
    certificate: str | None
    key: str | None
    alpn: tuple[str, ...]


_Stamp = tuple[int, int, int] | None
_made: dict[_Wanted, tuple[tuple[_Stamp, ...], ssl.SSLContext]] = {}


class _Explaining(ssl.SSLObject):
    """Looks at the certificates that were refused before they are gone."""

    def do_handshake(self) -> None:
        """As its base."""
        try:
            super().do_handshake()
        except ssl.SSLCertVerificationError as error:
            name = self.server_hostname or ""
            raise RefusedError(
                ssl.SSL_ERROR_SSL,
                certificates.refused(
                    error.verify_code, error.verify_message, self._chain(), name, time.time()
                ),
            ) from None

    def _chain(self) -> Sequence[bytes]:
        public = getattr(self, "get_unverified_chain", None)  # Python 3.13
        if public is not None:
            return tuple(public())
        inner = self._sslobj  # type: ignore[attr-defined]  # there in 3.11 and 3.12, which no longer change
        return tuple(each.public_bytes(_DER) for each in inner.get_unverified_chain() or ())


def _make(wanted: _Wanted) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslobject_class = _Explaining
    # many servers just close; HTTP and gRPC have ends of their own
    context.options |= ssl.OP_IGNORE_UNEXPECTED_EOF
    if not wanted.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif wanted.ca_file is None:
        context.set_default_verify_paths()
    else:
        # what is named is trusted, be it a root, an intermediate or the server's own
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        try:
            context.load_verify_locations(wanted.ca_file)
        except OSError as error:
            raise NotTriedError(_unreadable("ca_file", wanted.ca_file, error)) from None
    if wanted.certificate is not None:
        _load_own(context, wanted.certificate, wanted.key or wanted.certificate)
    if wanted.alpn:
        context.set_alpn_protocols(list(wanted.alpn))
    return context


def _load_own(context: ssl.SSLContext, certificate: str, key: str) -> None:
    def passphrase() -> str:
        # without this OpenSSL would ask for it at the terminal
        raise NotTriedError(f"key {key} has a passphrase; give one without")

    try:
        context.load_cert_chain(certificate, key, passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise NotTriedError(
                f"key {key} does not belong to certificate {certificate}; give the right one"
            ) from None
        raise NotTriedError(_unreadable("certificate and key", f"{certificate}, {key}", error)) from None
    except OSError as error:
        raise NotTriedError(_unreadable("certificate and key", f"{certificate}, {key}", error)) from None


def _stamp(what: str, path: str | None) -> _Stamp:
    if path is None:
        return None
    try:
        found = os.stat(path)  # noqa: PTH116  # once an attempt: a Path costs more than the call
    except OSError as error:
        raise NotTriedError(_unreadable(what, path, error)) from None
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def _unreadable(what: str, path: str, error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"{what} {path}: not in PEM form; give one that is"
    reason = os.strerror(error.errno or 0).lower()
    return f"{what} {path}: {reason}; put it there, or change where it is looked for"
