"""The values that keywords take, read from one word each; `RefusedError` says what would be right."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from config_service.problems import RefusedError, quoted

_DIGITS: Final = re.compile(r"[0-9]{1,19}")
_SIGNED: Final = re.compile(r"[-+]?[0-9]{1,19}")
_NUMBER: Final = re.compile(r"[0-9]{1,19}|0[xX][0-9A-Fa-f]{1,16}")
_MAC: Final = re.compile(r"[0-9A-Fa-f]{1,2}(?::[0-9A-Fa-f]{1,2}){4,5}")
_TRUE: Final = ("on", "true", "yes")
_FALSE: Final = ("off", "false", "no")
_DECIMAL: Final = re.compile(r"[0-9]{1,19}(?:\.[0-9]{0,9})?|\.[0-9]{1,9}")
_INTERFACE: Final = re.compile(r"[!-.0-9;-~]{1,15}")


@lru_cache(maxsize=1024)
def integer(word: str, low: int, high: int) -> int:
    """Read a decimal integer within bounds; a large file has few of them, each ten thousands of times."""
    if _DIGITS.fullmatch(word) is None or not low <= (value := int(word)) <= high:
        raise RefusedError(f"{quoted(word)} is no whole number from {low} to {high}")
    return value


def signed(word: str, low: int, high: int) -> int:
    """Read a decimal integer within bounds that may be negative."""
    if _SIGNED.fullmatch(word) is None or not low <= (value := int(word)) <= high:
        raise RefusedError(f"{quoted(word)} is no whole number from {low} to {high}")
    return value


def number(word: str, low: int, high: int) -> int:
    """Read an integer as iproute2 takes them, decimal or ``0x`` hexadecimal."""
    if _NUMBER.fullmatch(word) is not None:
        value = int(word, 16) if word[:2] in ("0x", "0X") else int(word)
        if low <= value <= high:
            return value
    raise RefusedError(f"{quoted(word)} is no number from {low} to {high}")


def boolean(word: str) -> bool:
    """Read a yes or no in any of keepalived's spellings."""
    if word not in (*_TRUE, *_FALSE):
        raise RefusedError(f"{quoted(word)} is none of on off true false yes no")
    return word in _TRUE


def seconds(word: str, low: str, high: str) -> Decimal:
    """Read seconds within bounds, fractions included: exact, as they were written."""
    if _DECIMAL.fullmatch(word) is None or not Decimal(low) <= (value := Decimal(word)) <= Decimal(high):
        raise RefusedError(f"{quoted(word)} is no number of seconds from {low} to {high}")
    return value


class Address(NamedTuple):
    """An IP address: canonical text and version."""

    text: str
    version: int


def any_address(word: str) -> Address:
    """Read an IPv4 or IPv6 address, whatever it is for."""
    version, family = (6, socket.AF_INET6) if ":" in word else (4, socket.AF_INET)
    try:
        packed = socket.inet_pton(family, word)
    except (OSError, ValueError):
        raise RefusedError(f"{quoted(word)} is no IP address") from None
    # of IPv4 there is one way of writing alone (inet_pton(3))
    return Address(word if version == 4 else socket.inet_ntop(family, packed), version)


def address(word: str) -> Address:
    """Read an IPv4 or IPv6 address; one that no host can have is refused."""
    found = any_address(word)
    if found.text in ("0.0.0.0", "::"):  # noqa: S104  # nothing is bound to it
        raise RefusedError(f"{quoted(word)} is the unspecified address; name a host's")
    if is_multicast(found) if found.version == 6 else int(found.text.partition(".")[0]) >= 224:
        raise RefusedError(f"{quoted(word)} is no unicast address; name a host's")
    return found


def is_multicast(found: Address) -> bool:
    """Say whether an address is a group's."""
    packed = socket.inet_pton(socket.AF_INET6 if found.version == 6 else socket.AF_INET, found.text)
    return packed[0] == 0xFF if found.version == 6 else 224 <= packed[0] < 240


def multicast(word: str) -> Address:
    """Read a group that advertisements may go to; an IPv6 one must be link-local, as RFC 9568 has it."""
    found = any_address(word)
    if not is_multicast(found):
        raise RefusedError(f"{quoted(word)} is no multicast address; 224.0.0.18 and ff02::12 are VRRP's own")
    if found.version == 6 and socket.inet_pton(socket.AF_INET6, found.text)[1] & 0x0F != 2:
        raise RefusedError(f"{quoted(word)} is no link-local group; an IPv6 one begins with ff02:")
    return found


def prefix_length(word: str, version: int) -> int:
    """Read the number after the slash of an address."""
    return integer(word, 0, 128 if version == 6 else 32)


def network(word: str) -> tuple[str, int]:
    """Read ``ADDRESS[/LENGTH]`` with no bit set beyond its length: canonical text, version."""
    text, exact, version = _prefix(word)
    if not exact:
        raise RefusedError(f"{quoted(word)} has bits beyond its prefix length; write {text}")
    return text, version


def masked_network(word: str) -> tuple[str, int]:
    """Read ``ADDRESS[/LENGTH]`` and drop what is beyond its length, as the kernel does in a rule."""
    text, _, version = _prefix(word)
    return text, version


def _prefix(word: str) -> tuple[str, bool, int]:
    before, slash, after = word.partition("/")
    found = any_address(before)
    longest = 128 if found.version == 6 else 32
    length = prefix_length(after, found.version) if slash else longest
    family = socket.AF_INET6 if found.version == 6 else socket.AF_INET
    packed = socket.inet_pton(family, found.text)
    value = int.from_bytes(packed, "big")
    rest = longest - length
    masked = (value >> rest) << rest
    text = socket.inet_ntop(family, masked.to_bytes(len(packed), "big"))
    return f"{text}/{length}", masked == value, found.version


def mac(word: str, last: int) -> str:
    """Read a MAC address; of one with 5 octets ``last`` is the sixth, as keepalived has it."""
    if _MAC.fullmatch(word) is None:
        raise RefusedError(f"{quoted(word)} is no MAC address; write 6 octets as 02:00:5e:00:00:01")
    octets = [int(part, 16) for part in word.split(":")]
    octets += [last] * (6 - len(octets))
    if octets[0] & 1 or not any(octets[:5]):
        raise RefusedError(f"{quoted(word)} is no host's MAC address; its first octet must be even")
    return ":".join(f"{octet:02x}" for octet in octets)


def port(word: str) -> int:
    """Read a TCP, UDP or SCTP port."""
    return integer(word, 1, 65535)


def interface(word: str) -> str:
    """Read a network interface's name, as the kernel allows them (net/core/dev.c, dev_valid_name)."""
    if _INTERFACE.fullmatch(word) is None or word in (".", ".."):
        raise RefusedError(
            f"{quoted(word)} is no network interface's name (1 to 15 characters without blanks, '/' and ':')"
        )
    return word


def name(word: str) -> str:
    """Read a name that is shown to people and becomes a subject token."""
    if not word or len(word) > 128 or not word.isprintable():
        raise RefusedError(f"{quoted(word)} is no name (1 to 128 printable characters)")
    return word


def choice(word: str, choices: Iterable[str]) -> str:
    """Read one of a few words, spelled as they are."""
    known = tuple(choices)
    if word not in known:
        raise RefusedError(f"{quoted(word)} is none of {' '.join(known)}{near(word, known)}")
    # the contracts' own object: a default is told by what it is, and not by its text (msgspec, omit_defaults)
    return known[known.index(word)]


def near(word: str, known: Iterable[str]) -> str:
    """Ask for the nearest known word, ``; did you mean 'x'?``, or nothing when none is near."""
    if len(word) > 40:
        return ""
    import difflib  # noqa: PLC0415  # only for a file with an error

    known = tuple(known)
    by_case = [candidate for candidate in known if candidate.lower() == word.lower()]
    found = by_case or difflib.get_close_matches(word, known, 1, 0.7)
    return f"; did you mean {quoted(found[0])}?" if found else ""


def missing(noun: str, word: str, known: Iterable[str]) -> str:
    """Say that nothing of this kind has this name."""
    return f"there is no {noun} {quoted(word)}{near(word, known)}; add it, or remove it here"
