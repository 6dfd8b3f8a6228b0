"""Numbers come out as Prometheus reads them."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from vipbus.telemetry.metrics import Registry
from vipbus.telemetry.prometheus import exposition


def samples(registry: Registry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(exposition(registry).decode())
        for sample in family.samples
    }


def test_counter_gauge_and_histogram() -> None:
    registry = Registry()
    counter = registry.counter("vipbus_things_total", "things")
    gauge = registry.gauge("vipbus_level", "level")
    histogram = registry.histogram("vipbus_wait_seconds", "wait", bounds=(0.1, 1.0))
    counter.add(result="up")
    counter.add(2, result="up")
    counter.add(result="down")
    gauge.set(4)
    for wait in (0.05, 0.1, 0.5, 3.0):
        histogram.observe(wait)
    read = samples(registry)
    assert read["vipbus_things_total", (("result", "up"),)] == 3
    assert read["vipbus_things_total", (("result", "down"),)] == 1
    assert read["vipbus_level", ()] == 4
    assert read["vipbus_wait_seconds_bucket", (("le", "0.1"),)] == 2
    assert read["vipbus_wait_seconds_bucket", (("le", "1.0"),)] == 3
    assert read["vipbus_wait_seconds_bucket", (("le", "+Inf"),)] == 4
    assert read["vipbus_wait_seconds_count", ()] == 4
    assert read["vipbus_wait_seconds_sum", ()] == pytest.approx(3.65)


def test_a_number_that_was_never_set_is_zero_not_absent() -> None:
    registry = Registry()
    registry.counter("vipbus_never_total", "never")
    assert samples(registry)["vipbus_never_total", ()] == 0


def test_values_and_observations_go_by_their_labels() -> None:
    registry = Registry()
    counter = registry.counter("vipbus_things_total", "things")
    counter.add(2, kind="tcp", result="up")
    counter.add(3, kind="http", result="up")
    counter.add(4, kind="http", result="down")
    assert counter.total(result="up") == 5
    assert counter.total(kind="http") == 7
    assert counter.total() == 9
    assert counter.total(kind="dns") == 0
    histogram = registry.histogram("vipbus_wait_seconds", "wait", bounds=(0.1, 1.0))
    forwarded: list[tuple[float, dict[str, str]]] = []
    histogram.forward = lambda value, labels: forwarded.append((value, labels))
    histogram.observe_all([0.05, 0.5], kind="tcp")
    histogram.observe(0.05, kind="tcp")
    assert histogram.distributions[("kind", "tcp"),].counts == [2, 1, 0]
    assert forwarded == [(0.05, {"kind": "tcp"}), (0.5, {"kind": "tcp"}), (0.05, {"kind": "tcp"})]


def test_hostile_label_values_stay_in_their_label() -> None:
    registry = Registry()
    registry.gauge("vipbus_level", "level").set(1, cause='a"b\n\\c 7')
    assert samples(registry)["vipbus_level", (("cause", 'a"b\n\\c 7'),)] == 1


def test_one_name_is_one_metric() -> None:
    registry = Registry()
    registry.gauge("vipbus_level", "level")
    with pytest.raises(ValueError, match="twice"):
        registry.counter("vipbus_level", "level")
