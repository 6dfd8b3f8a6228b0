"""Numbers an operator would ask for: counted here for nothing, exported by whoever asks.

A counter costs a dictionary update. The Prometheus text and OTLP come from the same registry, by libraries
that are imported when the first scrape or the first export needs them.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Labels = tuple[tuple[str, str], ...]

SECONDS: tuple[float, ...] = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)
"""Histogram bounds for durations, from a kernel write to a slow check."""


def written(labels: Mapping[str, str]) -> Labels:
    """Write labels as a metric keeps them: whoever sets thousands of values again and again does it once."""
    # sorting what has no order to lose is a third of the price, and some count ten thousand times a second
    return tuple(sorted(labels.items())) if len(labels) > 1 else tuple(labels.items())


@dataclass
class Metric:
    """A named number with labels; Prometheus names, base units in the name (``_seconds``, ``_total``)."""

    name: str
    help: str
    kind: Literal["counter", "gauge", "histogram"]
    values: dict[Labels, float] = field(default_factory=dict)

    def value(self, **labels: str) -> float:
        """Read the present value; 0 when it was never set."""
        return self.values.get(written(labels), 0.0)

    def total(self, **labels: str) -> float:
        """Add up the values of every label set that has these labels."""
        wanted = labels.items()
        return sum(value for found, value in self.samples() if wanted <= found.items())

    def samples(self) -> list[tuple[dict[str, str], float]]:
        """Read every value with its labels, as they were at one moment; for any thread."""
        # a copy is made in one step: whoever counts in another thread may add a label set meanwhile
        return [(dict(labels), value) for labels, value in self.values.copy().items()]

    def drop(self, labels: Labels) -> None:
        """Take away one label set, as it is `written`."""
        self.values.pop(labels, None)


class Counter(Metric):
    """Only rises."""

    def __init__(self, name: str, help_text: str) -> None:
        super().__init__(name, help_text, "counter")

    def add(self, amount: float = 1.0, **labels: str) -> None:
        """Add to the count."""
        key = written(labels)
        self.values[key] = self.values.get(key, 0.0) + amount

    def add_to(self, labels: Labels, amount: float) -> None:
        """Add to the count of labels as they are `written`."""
        self.values[labels] = self.values.get(labels, 0.0) + amount


class Gauge(Metric):
    """Rises and falls."""

    def __init__(self, name: str, help_text: str) -> None:
        super().__init__(name, help_text, "gauge")

    def set(self, value: float, **labels: str) -> None:
        """Set the present value."""
        self.values[written(labels)] = value

    def put(self, labels: Labels, value: float) -> None:
        """Set the present value of labels as they are `written`."""
        self.values[labels] = value

    def raise_to(self, value: float, **labels: str) -> None:
        """Set the value unless the present one is higher: the largest that was ever seen."""
        key = written(labels)
        if value > self.values.get(key, 0.0):
            self.values[key] = value

    def clear(self) -> None:
        """Forget every label set, before a whole picture is set anew."""
        self.values.clear()


@dataclass
class Distribution:
    """One label set of a histogram: counts per bound (the last is +Inf), and the sum."""

    counts: list[int]
    sum: float = 0.0


class Histogram(Metric):
    """How observations spread over fixed bounds."""

    def __init__(self, name: str, help_text: str, bounds: Sequence[float] = SECONDS) -> None:
        super().__init__(name, help_text, "histogram")
        self.bounds = tuple(bounds)
        self.distributions: dict[Labels, Distribution] = {}
        self.forward: Callable[[float, dict[str, str]], None] | None = None
        """Where each observation also goes: OpenTelemetry has no histogram that is read afterwards."""

    def observe(self, value: float, **labels: str) -> None:
        """Count one observation."""
        key = written(labels)
        distribution = self.distributions.get(key)
        if distribution is None:
            distribution = self.distributions[key] = Distribution([0] * (len(self.bounds) + 1))
        distribution.counts[bisect.bisect_left(self.bounds, value)] += 1
        distribution.sum += value
        if self.forward is not None:
            self.forward(value, labels)

    def observe_all(self, values: Sequence[float], **labels: str) -> None:
        """Count many observations with the same labels, each at a fraction of the price."""
        key = written(labels)
        distribution = self.distributions.get(key)
        if distribution is None:
            distribution = self.distributions[key] = Distribution([0] * (len(self.bounds) + 1))
        bounds, counts = self.bounds, distribution.counts
        for value in values:
            counts[bisect.bisect_left(bounds, value)] += 1
        distribution.sum += sum(values)
        if self.forward is not None:
            for value in values:
                self.forward(value, labels)

    def count(self, **labels: str) -> int:
        """Read how many observations there were."""
        distribution = self.distributions.get(written(labels))
        return sum(distribution.counts) if distribution is not None else 0

    def quantile(self, share: float, **labels: str) -> float | None:
        """Read a bound that at least this share of the observations (0 to 1) do not exceed.

        It is the upper bound of a bucket, infinity beyond the last; None when nothing was observed.
        """
        distribution = self.distributions.get(written(labels))
        counts = list(distribution.counts) if distribution is not None else []
        wanted = share * sum(counts)
        for bound, seen in zip((*self.bounds, math.inf), itertools.accumulate(counts), strict=False):
            if seen and seen >= wanted:
                return bound
        return None


class Registry:
    """Every metric of this process, by name."""

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}
        self._on_declared: list[Callable[[Metric], None]] = []

    def __iter__(self) -> Iterator[Metric]:
        return iter(list(self._metrics.values()))

    def _add(self, metric: Metric) -> None:
        if metric.name in self._metrics:
            raise ValueError(f"metric {metric.name} is declared twice")
        self._metrics[metric.name] = metric
        for callback in self._on_declared:
            callback(metric)

    def each(self, callback: Callable[[Metric], None]) -> None:
        """Call back for every metric that there is, and for each one that is declared later."""
        for metric in self:
            callback(metric)
        self._on_declared.append(callback)

    def counter(self, name: str, help_text: str) -> Counter:
        """Declare a counter; its name ends in ``_total``."""
        metric = Counter(name, help_text)
        self._add(metric)
        return metric

    def gauge(self, name: str, help_text: str) -> Gauge:
        """Declare a gauge."""
        metric = Gauge(name, help_text)
        self._add(metric)
        return metric

    def histogram(self, name: str, help_text: str, bounds: Sequence[float] = SECONDS) -> Histogram:
        """Declare a histogram."""
        metric = Histogram(name, help_text, bounds)
        self._add(metric)
        return metric


REGISTRY = Registry()
"""The process's own registry; a service declares its metrics in it when its module is imported."""
