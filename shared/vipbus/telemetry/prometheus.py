"""The registry as Prometheus text, by the library of the field; imported when the first scrape comes."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from vipbus.telemetry.metrics import Histogram, Labels, Metric, Registry

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


def _names(label_sets: Iterable[Labels]) -> list[str]:
    return sorted({name for labels in label_sets for name, _ in labels})


def _values(names: list[str], labels: Labels) -> list[str]:
    present = dict(labels)
    return [present.get(name, "") for name in names]


def _histogram(metric: Histogram) -> HistogramMetricFamily:
    distributions = dict(metric.distributions)
    names = _names(distributions)
    family = HistogramMetricFamily(metric.name, metric.help, labels=names)
    bounds = [*(repr(bound) for bound in metric.bounds), "+Inf"]
    for labels, distribution in distributions.items():
        family.add_metric(
            _values(names, labels),
            list(zip(bounds, accumulate(distribution.counts), strict=True)),
            distribution.sum,
        )
    return family


def _family(metric: Metric) -> Family:
    if isinstance(metric, Histogram):
        return _histogram(metric)
    values = dict(metric.values) or {(): 0.0}
    names = _names(values)
    family: CounterMetricFamily | GaugeMetricFamily
    if metric.kind == "counter":
        family = CounterMetricFamily(metric.name.removesuffix("_total"), metric.help, labels=names)
    else:
        family = GaugeMetricFamily(metric.name, metric.help, labels=names)
    for labels, value in values.items():
        family.add_metric(_values(names, labels), value)
    return family


class _RegistryCollector(Collector):
    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Family]:
        return [_family(metric) for metric in self._registry]


def exposition(registry: Registry) -> bytes:
    """Write the registry in the Prometheus text format."""
    collectors = CollectorRegistry()
    collectors.register(_RegistryCollector(registry))
    return generate_latest(collectors)
