"""HAProxy's own numbers as metrics of this process, bounded in their labels.

Names come from the configuration alone: a section that is not ours is left out. What a slot holds is named by
its address, for a slot is another member's tomorrow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from haproxy_programmer import metrics
from haproxy_programmer.site import Site
from haproxy_programmer.statistics import Kind, Read, Row
from haproxy_programmer.totals import Totals
from vipbus.telemetry.metrics import REGISTRY, Counter, Gauge, Registry, written

_Who = tuple[str, ...]
"""Who has series: its kind, and the values of the labels that tell it from others of that kind."""
_LABELS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "frontend": ("proxy",),
    "backend": ("pool",),
    "server": ("pool", "server"),
}
"""Those labels."""


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


_Declared = tuple[_Number, Counter | Gauge]


class _Series:
    """The metrics of one row, their labels written once: half a thousand members have thirty each."""

    def __init__(self, labels: dict[str, str], metrics: Iterable[_Declared], up: Gauge) -> None:
        self.labels = labels
        self.set: tuple[str, ...] = ()
        """The cells that they were set from last."""
        self._up = (up, written(labels))
        found = [(each, metric, written({**labels, **each.labels})) for each, metric in metrics]
        self._counters = {each.column: (each, to, at) for each, to, at in found if isinstance(to, Counter)}
        self._gauges = [(each, to, at) for each, to, at in found if isinstance(to, Gauge)]

    def count(self, came: Mapping[str, int]) -> None:
        """Count what came, by column."""
        for column, amount in came.items():
            if (found := self._counters.get(column)) is not None:
                each, metric, at = found
                metric.add_to(at, amount * each.scale)

    def show(self, row: Row) -> None:
        """Set what is now."""
        gauge, at = self._up
        gauge.put(at, float(row.status.startswith(_SERVING)))
        if row.cells == self.set:
            return
        self.set = row.cells
        for each, metric, at in self._gauges:
            if (value := row.number(each.column)) is not None:
                metric.put(at, value * each.scale)

    def drop(self) -> None:
        """Take them away."""
        gauge, at = self._up
        gauge.drop(at)
        for _, metric, labels in (*self._counters.values(), *self._gauges):
            metric.drop(labels)


class TrafficMetrics:
    """The metrics, from one read to the next; ``most`` servers have some of their own."""

    def __init__(self, most: int, registry: Registry = REGISTRY) -> None:
        self._most = most
        self._totals = Totals()
        self._series: dict[_Who, _Series] = {}
        self._metrics: dict[Kind, list[_Declared]] = {}
        self._up: dict[Kind, Gauge] = {}
        for kind in _ALL:
            prefix = f"vipbus_haproxy_{_PREFIX[kind]}_"
            made: dict[str, Counter | Gauge] = {}
            for declare, numbers in ((registry.counter, _COUNTERS), (registry.gauge, _GAUGES)):
                for each in numbers:
                    if kind in each.kinds and each.name not in made:
                        made[each.name] = declare(prefix + each.name, each.help)
            self._metrics[kind] = [
                (each, made[each.name]) for each in (*_COUNTERS, *_GAUGES) if kind in each.kinds
            ]
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
        for row, who in _named(site, read):
            if row.kind == "server":
                servers += 1
                if servers > self._most:
                    continue
            there.add(who)
            series = self._series.get(who)
            if series is None:
                series = self._series[who] = self._made(row, who)
            if (found := came.get(row.key)) is not None:
                series.count(found)
            series.show(row)
            if row.check:
                # while the next one runs there is a star before it
                found_by = _CHECK.fullmatch(row.check)
                status = found_by[1] if found_by is not None else "other"
                self._check.set(1.0, **series.labels, status=status)
        metrics.SERVERS_LEFT_OUT.set(max(0, servers - self._most))
        # names come and go for ever where containers do
        for who in self._series.keys() - there:
            self._series.pop(who).drop()

    def _made(self, row: Row, who: _Who) -> _Series:
        """Begin the series of a row; what it has counted before it had any is not theirs."""
        labels = dict(zip(_LABELS[row.kind], who[1:], strict=True))
        series = _Series(labels, self._metrics[row.kind], self._up[row.kind])
        series.count(dict.fromkeys(row.numbers, 0))
        return series


def _named(site: Site, read: Read) -> Iterator[tuple[Row, _Who]]:
    """Give the rows that are ours, each with who it is."""
    proxies = {proxy.id: proxy.name for proxy in site.proxies}
    pools = {pool.id: (pool.name, site.slots_of(pool.id).held) for pool in site.pools}
    for row in read.rows:
        if row.kind == "frontend":
            if row.proxy in proxies:
                yield row, (row.kind, proxies[row.proxy])
        elif row.proxy in pools:
            name, held = pools[row.proxy]
            if row.kind == "backend":
                yield row, (row.kind, name)
            elif (slot := held.get(row.server)) is not None:
                yield row, (row.kind, name, slot.words)
