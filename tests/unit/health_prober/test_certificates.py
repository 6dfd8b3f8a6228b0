"""What certificates say, in words, as tables of cases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from health_prober.certificates import expiry_warning, refused

HOUR, DAY = 3600.0, 24 * 3600.0
ENDS = datetime(2026, 11, 27, 12, tzinfo=UTC)
BEGINS = datetime(2026, 1, 2, tzinfo=UTC)
END = ENDS.timestamp()


def certificate(subject: str = "", issuer: str = "An Authority", *names: x509.GeneralName) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateBuilder(
        subject_name=named(subject),
        issuer_name=named(issuer),
        public_key=key.public_key(),
        serial_number=1,
        not_valid_before=BEGINS,
        not_valid_after=ENDS,
    )
    if names:
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])


OWN = certificate("own.example")


@pytest.mark.parametrize(
    ("left", "before", "words"),
    [
        (15 * DAY, 14 * DAY, ""),
        (14 * DAY, 14 * DAY, ""),
        (14 * DAY - 1, 14 * DAY, "certificate expires in 13 days, on 2026-11-27"),
        (2 * DAY, 14 * DAY, "certificate expires in 2 days, on 2026-11-27"),
        (2 * DAY - 1, 14 * DAY, "certificate expires in 1 day, on 2026-11-27"),
        (DAY - 1, 14 * DAY, "certificate expires in 23 hours, on 2026-11-27"),
        (HOUR, 14 * DAY, "certificate expires in 1 hour, on 2026-11-27"),
        (HOUR - 1, 14 * DAY, "certificate expires in less than an hour, on 2026-11-27"),
        (0, 14 * DAY, "certificate expires in less than an hour, on 2026-11-27"),
        (-1, 14 * DAY, "certificate expired on 2026-11-27"),
        (-900 * DAY, 1, "certificate expired on 2026-11-27"),
        (-1, 0, ""),
        (1, 0, ""),
    ],
)
def test_a_warning(left: float, before: float, words: str) -> None:
    assert expiry_warning(OWN, END - left, before) == words


AUTHORITY = certificate("An Authority", "A Root")


@pytest.mark.parametrize(
    ("code", "now", "chain", "words"),
    [
        (10, END + 1, [OWN], "certificate expired on 2026-11-27"),
        (10, END + 1, [], "certificate refused: openssl's words"),
        (10, END + 1, [b"no certificate"], "certificate refused: openssl's words"),
        (9, BEGINS.timestamp() - 1, [OWN], "certificate is not valid until 2026-01-02"),
        (18, END, [OWN], "certificate is signed by an unknown authority (self-signed)"),
        (19, END, [OWN, AUTHORITY], "certificate is signed by an unknown authority (A Root)"),
        (20, END, [OWN], "certificate is signed by an unknown authority (An Authority)"),
        (21, END, [OWN], "certificate is signed by an unknown authority (An Authority)"),
        (20, END, [certificate("a", "")], "certificate is signed by an unknown authority (no name)"),
        (62, END, [OWN], "certificate is for own.example, not wanted.example"),
        (64, END, [OWN], "certificate is for own.example, not wanted.example"),
        (62, END, [certificate("")], "certificate is for no name, not wanted.example"),
        (23, END, [OWN], "certificate refused: openssl's words"),
    ],
)
def test_a_refusal(code: int, now: float, chain: list[bytes], words: str) -> None:
    assert refused(code, "OpenSSL's words", chain, "wanted.example", now) == words


def test_whose_certificate_expired_is_said() -> None:
    authority = trustme.CA()
    leaf = authority.issue_cert("a.example", not_after=datetime.now(UTC) + timedelta(days=900))
    young = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes())
    chain = [young.public_bytes(Encoding.DER), certificate("Old Authority", "A Root")]
    now = young.not_valid_after_utc.timestamp() - DAY
    assert refused(10, "", chain, "a.example", now) == "certificate of Old Authority expired on 2026-11-27"


def test_names_that_a_server_chose_are_cut_and_plain() -> None:
    many = certificate("", "An Authority", *(x509.DNSName(f"name-{n}.example") for n in range(1000)))
    words = refused(62, "", [many], "x" * 500, END)
    assert words.startswith("certificate is for name-0.example, name-1.example, ")
    assert words.endswith("..., not " + "x" * 57 + "...")
    assert len(words) < 160
    evil = certificate("a\x1b[2Jb\n", "c\x07")
    assert refused(62, "", [evil], "d", END) == "certificate is for a\ufffd[2Jb\ufffd, not d"
    assert refused(20, "", [evil], "d", END) == "certificate is signed by an unknown authority (c\ufffd)"


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_any_octet_may_be_another() -> None:
    for at, other in product(range(len(OWN)), (0, 0x7F, 0x80, 0xFF)):
        broken = OWN[:at] + bytes([other]) + OWN[at + 1 :]
        assert isinstance(expiry_warning(broken, END, DAY), str)
        for code in (9, 10, 18, 19, 62):
            words = refused(code, "", [broken], "wanted.example", END)
            assert words.isprintable()
            assert len(words) < 160
