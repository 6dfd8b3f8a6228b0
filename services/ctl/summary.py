"""One message of the history in one readable line, or as CloudEvents in JSON."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

import msgspec

from ctl.event_words import EVENT_WORDS
from ctl.state_words import STATE_WORDS
from vipbus.bus import Record
from vipbus.contracts import BUCKETS, EVENTS
from vipbus.contracts.limits import UNREADABLE
from vipbus.telemetry.logs import plain

_RAW = 160
"""Characters shown of a document that is not known here."""
_STATE = {bucket.name: msgspec.json.Decoder(bucket.document) for bucket in BUCKETS}
_SAY = (*STATE_WORDS, *EVENT_WORDS)
_EVENT = {(event.aggregate, event.verb): msgspec.json.Decoder(event) for event in EVENTS}


def line(record: Record) -> str:
    """Write one line: local time, subject without its first word, what it says."""
    stamp = happened(record).astimezone().isoformat(sep=" ", timespec="milliseconds")[:23]
    subject = plain(record.subject.removeprefix("vipbus."))
    return f"{stamp} {subject} {plain(summary(record))}"


def happened(record: Record) -> datetime:
    """Read when it happened: the writer's time, else the bus's."""
    try:
        time = datetime.fromisoformat(record.headers.get("ce-time", ""))
    except ValueError:
        return record.stored
    # the ends of the calendar are not to be reckoned with
    return time if time.tzinfo is not None and 1970 <= time.year < 9999 else record.stored


def summary(record: Record) -> str:
    """Say what a message says; a document that is not known is shown as it came."""
    if record.removed:
        return "removed"
    decoder = _decoder(record.subject)
    if decoder is not None:
        try:
            document = decoder.decode(record.body)
        except UNREADABLE:
            return f"not readable: {_raw(record.body)}"
        for kind, say in _SAY:
            if isinstance(document, kind):
                return say(document)
    return _raw(record.body)


def _decoder(subject: str) -> msgspec.json.Decoder[Any] | None:
    tokens = subject.split(".")
    if tokens[:2] == ["vipbus", "state"] and len(tokens) > 3:
        return _STATE.get(tokens[2])
    if tokens[:2] == ["vipbus", "event"] and len(tokens) == 5:
        return _EVENT.get((tokens[2], tokens[4]))
    return None


def _raw(body: bytes) -> str:
    text = body.decode(errors="replace")
    return text if len(text) <= _RAW else f"{text[:_RAW]}... ({len(body)} bytes)"


def cloud_event(record: Record) -> bytes:
    """Write the message as CloudEvents 1.0 in the JSON format, on one line.

    ``sequence`` (the place in the history) and ``traceparent`` are extensions; ``operation`` is there
    where a key was removed.
    """
    attributes: dict[str, object] = {
        "specversion": "1.0",
        "id": f"history-{record.sequence}",
        "type": ".".join(record.subject.split(".")[:3]),
        "source": "unknown",
        "time": record.stored.isoformat(),
    }
    attributes |= {name[3:]: value for name, value in record.headers.items() if name.startswith("ce-")}
    attributes |= {"subject": record.subject, "sequence": str(record.sequence)}
    if "traceparent" in record.headers:
        attributes["traceparent"] = record.headers["traceparent"]
    if record.removed:
        attributes["operation"] = "removed"
        return msgspec.json.encode(attributes)
    try:
        msgspec.json.decode(record.body)
    except UNREADABLE:
        attributes["data_base64"] = base64.b64encode(record.body).decode()
    else:
        attributes["datacontenttype"] = "application/json"
        attributes["data"] = msgspec.Raw(record.body)
    # a body may be pretty-printed; one event is one line
    return msgspec.json.format(msgspec.json.encode(attributes), indent=-1)
