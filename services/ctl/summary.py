"""One message of the history in one readable line, or as CloudEvents in JSON."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from ctl.words import count, endpoint, from_token
from vipbus.bus import Record
from vipbus.contracts import (
    BUCKETS,
    EVENTS,
    AddressRestored,
    ConfigAccepted,
    ConfigRefused,
    DriftRepaired,
    DualMasterSeen,
    Head,
    InstanceTable,
    RealServer,
    Role,
    ServiceRestarted,
    Verdict,
    VirtualServer,
    VirtualServerTable,
    VrrpInstance,
)
from vipbus.contracts.limits import UNREADABLE
from vipbus.telemetry.logs import plain

_RAW = 160
"""Characters shown of a document that is not known here."""
_STATE = {bucket.name: msgspec.json.Decoder(bucket.document) for bucket in BUCKETS}
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


def _role(role: Role) -> str:
    return f"{role.router} {role.instance} {role.role} (epoch {role.epoch}): {role.cause}"


def _verdict(verdict: Verdict) -> str:
    server, service = from_token(verdict.real_server), from_token(verdict.virtual_server)
    return f"{server} of {service} {verdict.verdict}: {verdict.cause}"


def _table(table: VirtualServerTable) -> str:
    what = f"{table.router} {endpoint(table.address, table.port)} {table.protocol}"
    if table.error:
        return f"{what} failed: {table.error}"
    if not table.programmed:
        return f"{what} not in the table: {table.cause}"
    pool = ", ".join(
        f"{endpoint(found.address, found.port)} weight {found.weight}" for found in table.destinations
    )
    return f"{what} has {pool or 'no destinations'}: {table.cause}"


def _instance_table(table: InstanceTable) -> str:
    what = f"{table.router} {table.instance} (epoch {table.epoch})"
    if table.error:
        return f"{what} is not armed: {table.error}"
    if not table.armed:
        return f"{what} is not armed"
    held = f"{count(table.virtual_servers, 'virtual server')}, {count(table.destinations, 'destination')}"
    return f"{what} is armed: {held}"


def _head(head: Head) -> str:
    cause = f": {head.cause}" if head.cause else ""
    return (
        f"{head.router} revision {head.revision} of {head.source} is whole, {head.entities} entities{cause}"
    )


def _instance(instance: VrrpInstance) -> str:
    addresses = ", ".join(found.address for found in instance.virtual_ipaddress) or "no addresses"
    return (
        f"{instance.router} {instance.name} on {instance.interface}, VRID {instance.virtual_router_id}, "
        f"priority {instance.priority}: {addresses}"
    )


def _virtual_server(server: VirtualServer) -> str:
    where = f"{endpoint(server.address, server.port)} {server.protocol}"
    return f"{server.router} virtual server {where}, {server.scheduler}, {server.forwarding}"


def _real_server(server: RealServer) -> str:
    where = f"{endpoint(server.address, server.port)} of {from_token(server.virtual_server)}"
    return (
        f"{server.router} real server {where}, weight {server.weight}, {count(len(server.checks), 'check')}"
    )


def _drift(event: DriftRepaired) -> str:
    return f"{event.router} {from_token(event.virtual_server)} was changed by someone else; " + ", ".join(
        event.repairs
    )


def _accepted(event: ConfigAccepted) -> str:
    return (
        f"{event.router} accepted revision {event.revision} of {event.source}: {event.added} added, "
        f"{event.changed} changed, {event.removed} removed"
    )


def _refused(event: ConfigRefused) -> str:
    return f"{event.router} refused {event.source}, revision {event.running_revision} stays: {event.reason}"


def _restarted(event: ServiceRestarted) -> str:
    return f"{event.router} {event.service} started again ({count(event.restarts, 'time')}): {event.reason}"


def _restored(event: AddressRestored) -> str:
    return f"{event.router} {event.instance} put {event.address} back"


def _dual(event: DualMasterSeen) -> str:
    return (
        f"{event.router} {event.instance}: {event.other} (priority {event.other_priority}) advertised while "
        f"this router was active; {event.winner} goes on"
    )


_SAY: tuple[tuple[type[Any], Callable[[Any], str]], ...] = (
    (Role, _role),
    (Verdict, _verdict),
    (VirtualServerTable, _table),
    (InstanceTable, _instance_table),
    (Head, _head),
    (VrrpInstance, _instance),
    (VirtualServer, _virtual_server),
    (RealServer, _real_server),
    (DriftRepaired, _drift),
    (ConfigAccepted, _accepted),
    (ConfigRefused, _refused),
    (ServiceRestarted, _restarted),
    (AddressRestored, _restored),
    (DualMasterSeen, _dual),
)


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
