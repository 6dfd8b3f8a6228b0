"""A question to a name server and its answer (RFC 1035), over UDP or TCP.

dnspython makes and reads the messages; the sockets are ours, so that source, interface and mark hold.
"""

from __future__ import annotations

import asyncio
import struct
from contextlib import closing
from functools import lru_cache
from typing import Final, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.wire
import msgspec
from dns.rdtypes.ANY.CNAME import CNAME

from health_prober import causes
from health_prober.attempt import CheckFailedError, NotTriedError, Passed, Steps
from health_prober.datagrams import LARGEST, opened_to, received
from health_prober.sockets import connected
from vipbus.contracts import DnsCheck
from vipbus.telemetry.logs import plain

_HEADER: Final = struct.Struct("!HHHHHH")
"""Id, flags, and the numbers of questions, answers and two kinds more (RFC 1035, section 4.1.1)."""
_RECORD: Final = struct.Struct("!HHIH")
"""Type, class, time to live, length: what follows the name of each."""
_MOST_RECORDS: Final = 1000
"""In an answer."""
_MOST_SHOWN: Final = 80
"""Characters of answers that a cause has room for."""
_MOST_NAMED: Final = 20
"""Records among which those are."""


class _Wanted(msgspec.Struct, frozen=True):
    name: dns.name.Name
    type: dns.rdatatype.RdataType
    expect: tuple[dns.rdata.Rdata, ...]


class _Answer(msgspec.Struct, frozen=True):
    rcode: dns.rcode.Rcode
    truncated: bool
    count: int
    """Of the records in it."""
    records: list[dns.rdata.Rdata]
    """Those that were asked for."""


async def attempt(check: DnsCheck, steps: Steps) -> Passed:
    """Ask, over TCP if the answer does not fit into a datagram (RFC 7766, section 5), and judge."""
    wanted = _wanted(check.name, check.type, check.expect)
    if check.transport == "tcp":
        return await _judged(check, wanted, await _by_tcp(check, wanted, steps))
    answer = await _by_udp(check, wanted, steps)
    # keepalived is content with the header; where nothing is asked of the answer, so is this
    if answer.truncated and (check.expect or not check.allow_empty):
        steps.done("truncated; once more over TCP")
        try:
            answer = await _by_tcp(check, wanted, steps)
        except OSError as error:
            if error.errno in causes.LOCAL or not error.errno:
                raise
            raise CheckFailedError(f"answer truncated, and over TCP: {causes.failed(error.errno)}") from None
    return await _judged(check, wanted, answer)


async def _judged(check: DnsCheck, wanted: _Wanted, answer: _Answer) -> Passed:
    if answer.rcode != dns.rcode.NOERROR:
        raise CheckFailedError(f"rcode {dns.rcode.to_text(answer.rcode)}")
    found = answer.records
    if not found and not (check.allow_empty and not check.expect):
        raise CheckFailedError(f"no answer of type {check.type}")
    if wanted.expect:
        # compared as in RFC 4034, section 6.2; dnspython takes milliseconds for a name of 127 labels
        there = set()
        for each in found:
            there.add(each.to_digestable())
            await asyncio.sleep(0)
        missing = [each for each in wanted.expect if each.to_digestable() not in there]
        if missing:
            raise CheckFailedError(f"answers {_shown(found)}, wanted {_shown(missing)}")
    return Passed(note=f"answers {_shown(found)}" if found else "no answer of the type")


async def _read(query: dns.message.Message, message: bytes, wanted: _Wanted) -> _Answer | None:
    """Read a message; None where it does not answer this question (RFC 5452, section 9.1).

    Records are read one by one: dnspython takes 24 s for 1000 of them with the longest names, and other
    checks want their turn in between.

    Raises:
        CheckFailedError: it answers the question, but is damaged.
    """
    if len(message) < _HEADER.size:
        return None
    number, flags, questions, count, _, _ = _HEADER.unpack_from(message)
    if number != query.id or not flags & dns.flags.QR or questions > 1:
        return None
    if count > _MOST_RECORDS:
        raise CheckFailedError(f"an answer of {count} records, more than {_MOST_RECORDS}")
    try:
        head = dns.message.from_wire(message, question_only=True)
        if not query.is_response(head):
            return None
        parser = dns.wire.Parser(message, _HEADER.size)
        for _ in range(questions):
            dns.name.from_wire_parser(parser)
            parser.get_bytes(4)
        truncated = bool(flags & dns.flags.TC)
        records = [] if truncated else await _records(parser, count, wanted)
    except Exception as error:  # whatever the library thinks of damage, it is the server's
        raise CheckFailedError(
            f"garbage: {plain(str(error)[:_MOST_SHOWN]) or type(error).__name__}"
        ) from None
    return _Answer(head.rcode(), truncated, count, records)


async def _records(parser: dns.wire.Parser, count: int, wanted: _Wanted) -> list[dns.rdata.Rdata]:
    """Read the records of the type for the name, or for what it is an alias of (RFC 1034, section 3.6.2)."""
    found: list[tuple[dns.name.Name, dns.rdata.Rdata]] = []
    aliases: dict[dns.name.Name, dns.name.Name] = {}
    for _ in range(count):
        await asyncio.sleep(0)
        owner = dns.name.from_wire_parser(parser)
        type_, class_, _, length = parser.get_struct(_RECORD.format)
        is_wanted = wanted.type in (type_, dns.rdatatype.ANY)
        if class_ != dns.rdataclass.IN or not (is_wanted or type_ == dns.rdatatype.CNAME):
            parser.get_bytes(length)
            continue
        with parser.restrict_to(length):
            record = dns.rdata.from_wire_parser(class_, type_, parser)
        if type_ == dns.rdatatype.CNAME:
            aliases[owner] = cast(CNAME, record).target
        if is_wanted:
            found.append((owner, record))
    names, name = {wanted.name}, wanted.name
    while (name := aliases.get(name, name)) not in names:
        names.add(name)
    return [record for owner, record in found if owner in names]


async def _by_udp(check: DnsCheck, wanted: _Wanted, steps: Steps) -> _Answer:
    query = dns.message.make_query(wanted.name, wanted.type)
    with closing(opened_to(check)) as made:
        made.send(query.to_wire())
        steps.done(f"asked for {check.name} {check.type} over UDP")
        steps.wait("waiting for the answer")
        while True:
            answer = await _read(query, await received(made, check.address), wanted)
            if answer is not None:
                return _told(answer, steps)
            _ignored(steps)


async def _by_tcp(check: DnsCheck, wanted: _Wanted, steps: Steps) -> _Answer:
    query = dns.message.make_query(wanted.name, wanted.type)
    loop = asyncio.get_running_loop()
    steps.wait("connecting over TCP")
    with closing(await connected(check)) as made:
        steps.done("connected")
        # length and message in one segment (RFC 7766, section 8)
        await loop.sock_sendall(made, query.to_wire(prepend_length=True))
        steps.done(f"asked for {check.name} {check.type} over TCP")
        steps.wait("waiting for the answer")
        unread = bytearray()
        while True:
            message = _first(unread)
            if message is None:
                came = await loop.sock_recv(made, LARGEST)
                if not came:
                    raise CheckFailedError("connection closed before the answer")
                unread += came
            else:
                answer = await _read(query, message, wanted)
                if answer is not None:
                    return _told(answer, steps)
                _ignored(steps)
            # nothing above yields while octets keep coming, and the timer must fire
            await asyncio.sleep(0)


def _first(unread: bytearray) -> bytes | None:
    """Take the first whole message off (RFC 1035, section 4.2.2)."""
    if len(unread) < 2 or len(unread) < (end := 2 + int.from_bytes(unread[:2])):
        return None
    message = bytes(unread[2:end])
    del unread[:end]
    return message


def _told(answer: _Answer, steps: Steps) -> _Answer:
    steps.done(f"{dns.rcode.to_text(answer.rcode)}, {answer.count} record{'' if answer.count == 1 else 's'}")
    return answer


def _ignored(steps: Steps) -> None:
    steps.wait("waiting for the answer; what came answers another question")


@lru_cache(maxsize=10_000)
def _wanted(name: str, type_: str, expect: tuple[str, ...]) -> _Wanted:
    """Read what a check has as text.

    Raises:
        NotTriedError: it is no name, no type, or nothing that the type may hold.
    """
    try:
        found = dns.rdatatype.from_text(type_)
    except (dns.exception.DNSException, ValueError):
        raise NotTriedError(
            f"type {type_}: no such record type; give another, or TYPE and its number"
        ) from None
    if dns.rdatatype.is_metatype(found) and found != dns.rdatatype.ANY:
        raise NotTriedError(f"type {type_}: no record has it; give a type that can be asked for")
    try:
        asked = dns.name.from_text(name)
    except (dns.exception.DNSException, ValueError) as error:
        raise NotTriedError(f"name {name!r}: {_reason(error)}; mend it") from None
    records = tuple(_expected(each, found) for each in expect)
    return _Wanted(asked, found, records)


def _expected(text: str, type_: dns.rdatatype.RdataType) -> dns.rdata.Rdata:
    try:
        return dns.rdata.from_text(dns.rdataclass.IN, type_, text, dns.name.root, relativize=False)
    except (dns.exception.DNSException, ValueError) as error:
        shown = dns.rdatatype.to_text(type_)
        raise NotTriedError(f"expect {text!r}: no {shown} record ({_reason(error)}); mend it") from None


def _reason(error: Exception) -> str:
    return str(error).lower().rstrip(".") or "not understood"


def _shown(records: list[dns.rdata.Rdata]) -> str:
    text = plain(", ".join(sorted(each.to_text() for each in records[:_MOST_NAMED])))
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 3]}..."
