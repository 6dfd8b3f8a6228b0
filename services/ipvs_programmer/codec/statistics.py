"""Statistics: IPVS_STATS_ATTR_* of linux/ip_vs.h.

Since Linux 4.2 the kernel sends them twice: STATS, cut to 32 bits but for the bytes, and STATS64, whole.
"""

from __future__ import annotations

import struct
from typing import Final

from ipvs_programmer import constants as c
from ipvs_programmer.codec import destination, service
from ipvs_programmer.codec.fields import U32, U64, Found, number
from ipvs_programmer.counters import DestinationStatistics, Rates, Statistics
from ipvs_programmer.octets import MalformedError, attribute, attributes
from ipvs_programmer.table import DestinationKey, Key

_TOTALS: Final = (
    (c.IPVS_STATS_ATTR_CONNS, "connections"),
    (c.IPVS_STATS_ATTR_INPKTS, "packets_in"),
    (c.IPVS_STATS_ATTR_OUTPKTS, "packets_out"),
    (c.IPVS_STATS_ATTR_INBYTES, "bytes_in"),
    (c.IPVS_STATS_ATTR_OUTBYTES, "bytes_out"),
)
_RATES: Final = (
    (c.IPVS_STATS_ATTR_CPS, "connections"),
    (c.IPVS_STATS_ATTR_INPPS, "packets_in"),
    (c.IPVS_STATS_ATTR_OUTPPS, "packets_out"),
    (c.IPVS_STATS_ATTR_INBPS, "bytes_in"),
    (c.IPVS_STATS_ATTR_OUTBPS, "bytes_out"),
)
_WIDE: Final = (c.IPVS_STATS_ATTR_INBYTES, c.IPVS_STATS_ATTR_OUTBYTES)
"""What has 64 bits in either form."""


def pack_statistics(kind: int, statistics: Statistics, *, wide: bool) -> bytes:
    """Pack statistics as the kernel does, as the attribute ``kind``; not ``wide``: cut to 32 bits."""
    body = b""
    for names, of in ((_TOTALS, statistics), (_RATES, statistics.rates)):
        for number_, name in names:
            value = getattr(of, name)
            form = _form(number_, wide=wide)
            body += attribute(number_, form.pack(value if form is U64 else value & 0xFFFFFFFF))
    return attribute(kind, body)


def unpack_service_statistics(body: memoryview) -> tuple[Key, Statistics]:
    """Read a service's identity and statistics out of a message.

    Raises:
        MalformedError: they are not there or not readable.
    """
    found = service.nested(body)
    statistics = _statistics(found, c.IPVS_SVC_ATTR_STATS64, c.IPVS_SVC_ATTR_STATS)
    return service.key_of(found), statistics


def unpack_destination_statistics(
    body: memoryview, service_family: int
) -> tuple[DestinationKey, DestinationStatistics]:
    """Read a destination's identity, connections and statistics; as `destination.unpack_destination`."""
    found = destination.nested(body)
    statistics = _statistics(found, c.IPVS_DEST_ATTR_STATS64, c.IPVS_DEST_ATTR_STATS)
    key = destination.key_of(found, service_family)
    return key, DestinationStatistics(destination.counts_of(found), statistics)


def _statistics(found: Found, wide: int, narrow: int) -> Statistics:
    is_wide = wide in found
    value = found.get(wide, found.get(narrow))
    if value is None:
        raise MalformedError("no statistics")
    counters = attributes(value)
    return Statistics(
        **{name: number(counters, kind, _form(kind, wide=is_wide)) for kind, name in _TOTALS},
        rates=Rates(**{name: number(counters, kind, _form(kind, wide=is_wide)) for kind, name in _RATES}),
    )


def _form(kind: int, *, wide: bool) -> struct.Struct:
    return U64 if wide or kind in _WIDE else U32
