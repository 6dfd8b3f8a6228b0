"""HAProxy's own numbers as metrics of this process, bounded in their labels.

Names come from the configuration alone: a section that is not ours is left out. What a slot holds is named by
its address, for a slot is another member's tomorrow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import msgspec

from haproxy_programmer import metrics
from haproxy_programmer.site import Site
from haproxy_programmer.statistics import Kind, Read, Row
from haproxy_programmer.totals import Totals
from vipbus.telemetry.metrics import REGISTRY, Counter, Gauge, Registry

Labels = Mapping[str, str]
_Who = tuple[Kind, frozenset[tuple[str, str]]]
"""Who has series: the labels that tell it from others of its kind."""


class _Number(msgspec.Struct, frozen=True):
    """One column as a metric."""

    kinds: tuple[Kind, ...]
    name: str
    """Without its beginning, ``vipbus_haproxy_proxy_`` and the like."""
    column: str
    help: str
    labels: Mapping[str, str] = {}
    scale: float = 1.0
    """What a unit of the column is in the metric's own."""


_ALL: Final[tuple[Kind, ...]] = ("frontend", "backend", "server")
_FRONT: Final[tuple[Kind, ...]] = ("frontend",)
_BACK: Final[tuple[Kind, ...]] = ("backend", "server")
_PREFIX: Final[Mapping[Kind, str]] = {"frontend": "proxy", "backend": "pool", "server": "server"}


def _each(
    kinds: tuple[Kind, ...],
    name: str,
    words: str,
    *,
    label: str,
    columns: Mapping[str, str],
    scale: float = 1.0,
) -> tuple[_Number, ...]:
    """Make one metric of several columns, told apart by a label."""
    return tuple(
        _Number(kinds, name, column, words, {label: value}, scale) for value, column in columns.items()
    )


_CLASSES: Final = {f"{digit}xx": f"hrsp_{digit}xx" for digit in range(1, 6)} | {"other": "hrsp_other"}
_COUNTERS: Final = (
    _Number(_ALL, "sessions_total", "stot", "Sessions, in mode http requests"),
    _Number(_FRONT, "connections_total", "conn_tot", "Connections of clients"),
    _Number(("frontend", "backend"), "requests_total", "req_tot", "HTTP requests"),
    *_each(
        _ALL, "bytes_total", "Octets, by direction", label="direction", columns={"in": "bin", "out": "bout"}
    ),
    *_each(
        _ALL,
        "responses_total",
        "HTTP answers, by the class of their status",
        label="status",
        columns=_CLASSES,
    ),
    *_each(
        _FRONT,
        "denied_total",
        "What rules refused, by what it was",
        label="what",
        columns={"connection": "dcon", "session": "dses", "request": "dreq", "response": "dresp"},
    ),
    _Number(_FRONT, "request_errors_total", "ereq", "Requests that were none, or did not come whole"),
    *_each(
        _BACK,
        "errors_total",
        "What failed, by what it was",
        label="what",
        columns={
            "connect": "econ",
            "response": "eresp",
            "client-left": "cli_abrt",
            "server-left": "srv_abrt",
        },
    ),
    _Number(_BACK, "retries_total", "wretr", "Attempts to connect beyond the first"),
    _Number(_BACK, "redispatches_total", "wredis", "Requests that went on to another member"),
    _Number(_BACK, "downs_total", "chkdown", "How often it went down"),
    _Number(_BACK, "downtime_seconds_total", "downtime", "Seconds for which it was down"),
    _Number(("server",), "check_failures_total", "chkfail", "HAProxy's own checks that failed"),
)
_GAUGES: Final = (
    _Number(_ALL, "sessions", "scur", "Sessions now"),
    _Number(_ALL, "sessions_limit", "slim", "Sessions at most"),
    _Number(_BACK, "queue", "qcur", "Requests that wait for a place now"),
    _Number(_BACK, "weight", "weight", "Effective weight, of a pool all that serve"),
    *_each(
        _BACK,
        "mean_seconds",
        "Mean times of the last 1,024 requests, by phase",
        label="phase",
        columns={"queue": "qtime", "connect": "ctime", "response": "rtime", "total": "ttime"},
        scale=0.001,
    ),
)
_COLUMNS: Final = tuple(dict.fromkeys(number.column for number in _COUNTERS))
_SERVING: Final = ("OPEN", "FULL", "UP", "no check", "DRAIN", "NOLB")
"""What a status begins with of whoever serves."""
_CHECK: Final = re.compile(r"(?:\* )?([A-Z0-9]{1,12})")


class TrafficMetrics:
    """The metrics, from one read to the next; ``most`` servers have some of their own."""

    def __init__(self, most: int, registry: Registry = REGISTRY) -> None:
        self._most = most
        self._totals = Totals()
        self._there: set[_Who] = set()
        self._counters: dict[tuple[Kind, str], Counter] = {}
        self._gauges: dict[tuple[Kind, str], Gauge] = {}
        self._up: dict[Kind, Gauge] = {}
        for kind in _ALL:
            prefix = f"vipbus_haproxy_{_PREFIX[kind]}_"
            for each in _COUNTERS:
                if kind in each.kinds and (kind, each.name) not in self._counters:
                    self._counters[kind, each.name] = registry.counter(prefix + each.name, each.help)
            for each in _GAUGES:
                if kind in each.kinds and (kind, each.name) not in self._gauges:
                    self._gauges[kind, each.name] = registry.gauge(prefix + each.name, each.help)
            self._up[kind] = registry.gauge(f"{prefix}up", "1 while HAProxy says that it serves")
        self._check = registry.gauge(
            "vipbus_haproxy_server_check", "1 for what HAProxy's own check found last, by status"
        )

    def take(self, site: Site, read: Read) -> None:
        """Take in a read of a site's HAProxy."""
        came = self._totals.take(read, _COLUMNS)
        process = self._totals.info(read, ("DroppedLogs",))
        metrics.LOGS_LOST.add(process.get("DroppedLogs", 0))
        metrics.CONNECTIONS.set(read.info.get("CurrConns", 0))
        metrics.CONNECTIONS_LIMIT.set(read.info.get("Maxconn", 0))
        metrics.IDLE.set(read.info.get("Idle_pct", 0) / 100)
        there: set[_Who] = set()
        self._check.clear()
        servers = 0
        for row, labels in _named(site, read):
            if row.kind == "server":
                servers += 1
                if servers > self._most:
                    continue
            who = row.kind, frozenset(labels.items())
            there.add(who)
            self._set(row, labels, came[row.key], new=who not in self._there)
        metrics.SERVERS_LEFT_OUT.set(max(0, servers - self._most))
        if there != self._there:
            self._there = there
            self._forget()

    def _set(self, row: Row, labels: Labels, came: Mapping[str, int], *, new: bool) -> None:
        for each in _COUNTERS:
            # most of a large pool is idle most of the time
            if row.kind in each.kinds and each.column in came and (new or came[each.column]):
                metric = self._counters[row.kind, each.name]
                metric.add(came[each.column] * each.scale, **labels, **each.labels)
        for each in _GAUGES:
            if row.kind in each.kinds and each.column in row.numbers:
                value = row.numbers[each.column] * each.scale
                self._gauges[row.kind, each.name].set(value, **labels, **each.labels)
        self._up[row.kind].set(float(row.status.startswith(_SERVING)), **labels)
        if row.check:
            # while the next one runs there is a star before it
            found = _CHECK.fullmatch(row.check)
            self._check.set(1.0, **labels, status=found[1] if found is not None else "other")

    def _forget(self) -> None:
        """Take away the series of whoever is no more: names come and go for ever where containers do."""
        for (kind, _), metric in (*self._counters.items(), *self._gauges.items()):
            metric.forget(self._gone(kind))
        for kind, gauge in self._up.items():
            gauge.forget(self._gone(kind))

    def _gone(self, kind: Kind) -> Callable[[dict[str, str]], bool]:
        there = {who for each, who in self._there if each == kind}
        names = {"frontend": ("proxy",), "backend": ("pool",), "server": ("pool", "server")}[kind]
        return lambda labels: frozenset((name, labels[name]) for name in names) not in there


def _named(site: Site, read: Read) -> Iterator[tuple[Row, dict[str, str]]]:
    """Give the rows that are ours, each with what tells it from others of its kind."""
    proxies = {proxy.id: proxy.name for proxy in site.proxies}
    pools = {pool.id: pool.name for pool in site.pools}
    for row in read.rows:
        if row.kind == "frontend":
            if row.proxy in proxies:
                yield row, {"proxy": proxies[row.proxy]}
        elif row.proxy in pools:
            if row.kind == "backend":
                yield row, {"pool": pools[row.proxy]}
            elif (slot := site.slots_of(row.proxy).held.get(row.server)) is not None:
                yield row, {"pool": pools[row.proxy], "server": slot.words}
